/* The courier's day as a state machine. */
#include "courier.h"
#include "../guest/runtime.h"

static enum phase load(struct courier *self)
{
    parcels_load(self, (uint32_t)status.days);
    return PHASE_SORT;
}

static enum phase sort(struct courier *self)
{
    parcels_sort(self);
    return PHASE_DRIVE;
}

static enum phase drive(struct courier *self)
{
    struct parcel *parcel = self->van;

    if (!parcel)
        return PHASE_REST;
    parcel->marks.tries++;
    if (route_find(&self->route, self->at, parcel->to)) {
        self->driven += self->route.cost;
        self->at = parcel->to;
    }
    parcel_deliver(self, parcel);
    return PHASE_DRIVE;
}

static enum phase rest(struct courier *self)
{
    self->at = DEPOT;
    status.days++;
    return PHASE_LOAD;
}

static const struct step {
    const char *name;
    enum phase (*run)(struct courier *self);
} steps[] = {
    [PHASE_LOAD] = { "loading", load },
    [PHASE_SORT] = { "sorting", sort },
    [PHASE_DRIVE] = { "driving", drive },
    [PHASE_REST] = { "resting", rest },
};

enum phase courier_step(struct courier *self)
{
    const struct step *step = &steps[self->phase];
    unsigned i = 0;

    status.phase = self->phase;
    for (; step->name[i]; i++)
        status.note[i] = step->name[i];
    status.note[i] = 0;
    return step->run(self);
}
