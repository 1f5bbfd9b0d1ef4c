/* Courier's loop: some days' work, then a rest. */
#include "courier.h"
#include "../guest/runtime.h"

#define PERIOD_MS 10
#define DAYS_IN_A_PERIOD 4

const char banner[] = "courier 2.4, one vCPU";
struct status status;
struct courier courier;

static void work_a_day(struct courier *self)
{
    do
        self->phase = courier_step(self);
    while (self->phase != PHASE_LOAD);
}

void main(unsigned vcpu)
{
    (void)vcpu;
    interrupts_enable();
    console_write(banner);
    console_write("\n");
    for (;;) {
        uint64_t fired = interrupt_counts[0].timer;

        timer_start(PERIOD_MS);
        for (unsigned day = 0; day < DAYS_IN_A_PERIOD; day++)
            work_a_day(&courier);
        wait_until(&interrupt_counts[0].timer, fired);
    }
}
