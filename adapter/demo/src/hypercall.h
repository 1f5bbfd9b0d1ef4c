/* What a guest may ask of the hypervisor: `hvc #0` with the number in x0 and arguments in x1 to x3, the answer in x0.
 * PSCI (Arm DEN 0022) keeps its own numbers, so that one call gate serves both. */
#ifndef HYPERCALL_H
#define HYPERCALL_H

#define HYPERVISOR_VERSION 0x00010002 /* major.minor, 16 bits each */

enum hypercall {
    HYPERCALL_VERSION = 0, /* -> HYPERVISOR_VERSION */
    HYPERCALL_PUTC = 1,    /* one character of this VM's console */
    HYPERCALL_YIELD = 2,   /* gives up the rest of the time slice */
    HYPERCALL_TICKS = 3,   /* -> scheduler ticks since boot, all pCPUs together */
    HYPERCALL_NOTIFY = 4,  /* raises an event interrupt in vCPU x1 of this VM */
    HYPERCALL_ACK = 5,     /* takes the pending interrupts -> set of enum interrupt */
    HYPERCALL_PANIC = 6,   /* ends this vCPU */
};

/* Virtual interrupts, as bits. */
enum interrupt {
    INTERRUPT_TIMER = 1, /* this vCPU's CNTV reached its compare value */
    INTERRUPT_EVENT = 2, /* another vCPU called HYPERCALL_NOTIFY */
};

#define PSCI_VERSION 0x84000000
#define PSCI_CPU_ON 0xc4000003

/* The sensor board: reads and writes of this IPA page are trapped by stage 2 and answered by the hypervisor. */
#define SENSOR_IPA 0x0a000000
#define SENSOR_TEMPERATURE_REG 0x00 /* signed, 1/1000 degree Celsius */
#define SENSOR_LIGHT_REG 0x04       /* lux */
#define SENSOR_TILT_REG 0x08        /* three signed bytes: x, y, z */
#define SENSOR_LAMPS_REG 0x0c       /* written: one bit a lamp */

#endif
