/* The emulated sensor board: readings that wander a little, the same way at each boot. */
#include "../hypercall.h"
#include "hv.h"

static uint32_t wander(struct vm *vm)
{
    uint32_t seed = vm->sensor_seed;

    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    vm->sensor_seed = seed;
    return seed;
}

uint32_t board_read(struct vm *vm, uint32_t offset)
{
    uint32_t noise = wander(vm);

    switch (offset) {
    case SENSOR_TEMPERATURE_REG:
        return 21000 + noise % 2000 - 1000;
    case SENSOR_LIGHT_REG:
        return 300 + noise % 64;
    case SENSOR_TILT_REG:
        return noise & 0x1f1f1f;
    default:
        return 0;
    }
}

void board_write(struct vm *vm, uint32_t offset, uint32_t value)
{
    if (offset == SENSOR_LAMPS_REG)
        vm->lamps = value;
}
