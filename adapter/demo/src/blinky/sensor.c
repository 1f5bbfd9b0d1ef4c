/* The sensor board: every access is a stage-2 abort that the hypervisor answers. */
#include "blinky.h"
#include "../guest/runtime.h"

static uint32_t board_read(uint32_t offset)
{
    return *(volatile uint32_t *)(uint64_t)(SENSOR_IPA + offset);
}

void lamps_set(uint32_t lamps)
{
    *(volatile uint32_t *)(uint64_t)(SENSOR_IPA + SENSOR_LAMPS_REG) = lamps;
}

static union reading sensor_read(enum sensor_kind kind)
{
    union reading reading = { 0 };

    switch (kind) {
    case SENSOR_TEMPERATURE:
        reading.milli_celsius = (int32_t)board_read(SENSOR_TEMPERATURE_REG);
        break;
    case SENSOR_LIGHT:
        reading.lux = board_read(SENSOR_LIGHT_REG);
        break;
    case SENSOR_TILT: {
        uint32_t raw = board_read(SENSOR_TILT_REG);

        reading.tilt = (struct tilt){ (int8_t)raw, (int8_t)(raw >> 8), (int8_t)(raw >> 16) };
        break;
    }
    }
    return reading;
}

/* How much a reading is worth, per mille: work that keeps the vCPU on its core for a while. */
static uint32_t quality(const struct sample *sample)
{
    uint32_t hash = (uint32_t)sample->reading.milli_celsius ^ sample->sequence;

    for (unsigned round = 0; round < 3000; round++)
        hash = hash * 1664525u + 1013904223u + round;
    return 900 + hash % 100;
}

static bool sample_one(uint32_t sequence)
{
    enum sensor_kind kind = sequence % SENSOR_KINDS;
    struct sample sample = {
        .sequence = sequence,
        .kind = kind,
        .reading = sensor_read(kind),
        .status = { .valid = 1, .channel = sequence % 5 },
    };

    sample.status.quality = quality(&sample);
    sample.status.late = sample.status.quality < 910;
    return sample_store(&ring, &sample);
}

/* Takes so many samples; returns how many found room in the ring. */
uint32_t samples_gather(uint32_t first_sequence, unsigned count)
{
    uint32_t stored = 0;

    for (unsigned i = 0; i < count; i++)
        stored += sample_one(first_sequence + i);
    return stored;
}
