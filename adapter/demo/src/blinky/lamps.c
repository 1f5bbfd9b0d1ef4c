/* The taking side: samples become a summary, the summary becomes lamps. */
#include "blinky.h"

#define LAMP_WARM (1u << 0)
#define LAMP_BRIGHT (1u << 1)
#define LAMP_TILTED (1u << 2)

static void digest_light(struct summary *summary, uint32_t lux)
{
    for (unsigned i = 3; i > 0; i--)
        summary->light[i] = summary->light[i - 1];
    summary->light[0] = lux;
}

static void digest_tilt(struct summary *summary, const struct tilt *tilt)
{
    int sum = tilt->x + tilt->y + tilt->z;

    if (sum > 50)
        summary->tilted++;
    else
        summary->upright++;
}

static void digest_one(struct summary *summary, const struct sample *sample)
{
    summary->seen[sample->kind]++;
    switch (sample->kind) {
    case SENSOR_TEMPERATURE:
        if (!summary->warmest || sample->reading.milli_celsius > summary->warmest)
            summary->warmest = sample->reading.milli_celsius;
        if (!summary->coldest || sample->reading.milli_celsius < summary->coldest)
            summary->coldest = sample->reading.milli_celsius;
        break;
    case SENSOR_LIGHT:
        digest_light(summary, sample->reading.lux);
        break;
    case SENSOR_TILT:
        digest_tilt(summary, &sample->reading.tilt);
        break;
    }
}

static uint32_t lamps_for(const struct summary *summary)
{
    uint32_t lamps = 0, light = 0;

    for (unsigned i = 0; i < 4; i++)
        light += summary->light[i];
    if (summary->warmest - summary->coldest > 1500)
        lamps |= LAMP_WARM;
    if (light > 4 * 330)
        lamps |= LAMP_BRIGHT;
    if (summary->tilted > summary->upright)
        lamps |= LAMP_TILTED;
    return lamps;
}

/* Takes all samples there are; returns which lamps are to be lit. */
uint32_t samples_digest(struct summary *summary)
{
    struct sample sample;

    while (sample_take(&ring, &sample))
        digest_one(summary, &sample);
    return lamps_for(summary);
}
