/* Blinky: vCPU 0 takes samples from a sensor board into a ring, vCPU 1 takes them out and lights lamps. */
#ifndef BLINKY_H
#define BLINKY_H

#include <stdbool.h>
#include <stdint.h>

enum sensor_kind { SENSOR_TEMPERATURE, SENSOR_LIGHT, SENSOR_TILT };
#define SENSOR_KINDS 3

struct sample {
    uint32_t sequence;
    enum sensor_kind kind;
    union reading {
        int32_t milli_celsius;
        uint32_t lux;
        struct tilt {
            int8_t x, y, z;
        } tilt;
    } reading;
    struct {
        uint32_t valid : 1;
        uint32_t late : 1;
        uint32_t channel : 4;
        uint32_t quality : 10; /* per mille */
    } status;
};

#define RING_SLOTS 16
struct ring {
    uint32_t head, tail; /* written at head, taken at tail; they count on, the slot is the remainder */
    uint32_t dropped;
    struct sample slots[RING_SLOTS];
};

/* What the lamps tell. */
struct summary {
    int32_t warmest, coldest; /* 1/1000 degree */
    uint32_t light[4];        /* latest readings, newest first */
    uint32_t upright, tilted;
    uint32_t seen[SENSOR_KINDS];
};

struct status {
    const char *phase;
    uint32_t rounds;
    uint32_t lamps;
};
extern struct status status[2]; /* by vCPU */
extern struct ring ring;

/* ring.c */
bool sample_store(struct ring *into, const struct sample *sample);
bool sample_take(struct ring *from, struct sample *sample);

/* sensor.c */
uint32_t samples_gather(uint32_t first_sequence, unsigned count);
void lamps_set(uint32_t lamps);

/* lamps.c */
uint32_t samples_digest(struct summary *summary);

#endif
