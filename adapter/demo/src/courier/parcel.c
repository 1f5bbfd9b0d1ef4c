/* Parcels: loaded, sorted into the van, handed over. */
#include "courier.h"
#include "../guest/runtime.h"

/* At the first address after the boot page: the other guest has another function at the same address. */
__attribute__((section(".text.first"))) void parcel_deliver(struct courier *by, struct parcel *parcel)
{
    uint64_t now = clock_ticks();

    by->van = parcel->next;
    parcel->next = 0;
    by->delivered++;
    by->last_delivery = now;
}

void parcels_load(struct courier *by, uint32_t day)
{
    by->van = 0;
    for (unsigned i = 0; i < VAN_ROOM; i++) {
        struct parcel *parcel = &by->parcels[i];

        *parcel = (struct parcel){
            .number = (uint16_t)(day * VAN_ROOM + i),
            .to = 1 + (day * 3 + i * 7) % (PLACES - 1),
            .marks = { .fragile = i % 3 == 0, .express = i % 4 == 1 },
            .next = by->van,
        };
        if (i % 2)
            parcel->content = (union content){ .letter = "hi!" };
        else
            parcel->content.grams = 250 + 125 * i;
        by->van = parcel;
    }
}

static bool goes_before(const struct parcel *one, const struct parcel *other)
{
    if (one->marks.express != other->marks.express)
        return one->marks.express;
    return one->to < other->to;
}

static void insert_sorted(struct parcel **list, struct parcel *parcel)
{
    while (*list && !goes_before(parcel, *list))
        list = &(*list)->next;
    parcel->next = *list;
    *list = parcel;
}

void parcels_sort(struct courier *by)
{
    struct parcel *sorted = 0;

    while (by->van) {
        struct parcel *parcel = by->van;

        by->van = parcel->next;
        insert_sorted(&sorted, parcel);
    }
    by->van = sorted;
}
