/* One writer, one reader, no lock: each moves its own index after the slot is right. */
#include "blinky.h"

/* At the first address after the boot page: the other guest has another function at the same address. */
__attribute__((section(".text.first"))) bool sample_store(struct ring *into, const struct sample *sample)
{
    uint32_t head = into->head;
    uint32_t used = head - __atomic_load_n(&into->tail, __ATOMIC_ACQUIRE);

    if (used == RING_SLOTS) {
        into->dropped++;
        return false;
    }
    into->slots[head % RING_SLOTS] = *sample;
    __atomic_store_n(&into->head, head + 1, __ATOMIC_RELEASE);
    return true;
}

bool sample_take(struct ring *from, struct sample *sample)
{
    uint32_t tail = from->tail;

    if (tail == __atomic_load_n(&from->head, __ATOMIC_ACQUIRE))
        return false;
    *sample = from->slots[tail % RING_SLOTS];
    __atomic_store_n(&from->tail, tail + 1, __ATOMIC_RELEASE);
    return true;
}
