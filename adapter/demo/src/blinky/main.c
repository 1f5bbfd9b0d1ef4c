/* Blinky's two loops, one a vCPU. */
#include "blinky.h"
#include "../guest/runtime.h"

#define PERIOD_MS 10
#define BATCH 12

const char banner[] = "blinky 1.0, two vCPUs";
struct status status[2];
struct ring ring;

static void banner_print(void)
{
    uint64_t version = hypervisor_version();

    console_write(banner);
    console_write(", on hypervisor ");
    console_number(version >> 16);
    console_write(".");
    console_number(version & 0xffff);
    console_write("\n");
}

static void produce(struct status *own)
{
    uint32_t sequence = 0;

    for (;;) {
        uint64_t fired = interrupt_counts[0].timer;

        timer_start(PERIOD_MS);
        own->phase = "gathering";
        sequence += samples_gather(sequence, BATCH);
        own->rounds++;
        hypercall(HYPERCALL_NOTIFY, 1, 0, 0);
        own->phase = "waiting";
        wait_until(&interrupt_counts[0].timer, fired);
    }
}

static void consume(struct status *own)
{
    struct summary summary = { 0 };

    for (;;) {
        uint64_t events = interrupt_counts[1].event;

        own->phase = "digesting";
        own->lamps = samples_digest(&summary);
        lamps_set(own->lamps);
        own->rounds++;
        own->phase = "waiting";
        wait_until(&interrupt_counts[1].event, events);
    }
}

void main(unsigned vcpu)
{
    interrupts_enable();
    if (vcpu == 0) {
        banner_print();
        vcpu_on(1);
        produce(&status[0]);
    } else {
        consume(&status[1]);
    }
}
