/* What both guests stand on: hypercalls, the console, and time. */
#ifndef RUNTIME_H
#define RUNTIME_H

#include <stdbool.h>
#include <stdint.h>

#include "../hypercall.h"

#define VCPUS_MAX 2

/* Interrupts served so far, by vCPU. */
struct interrupt_counts {
    uint64_t timer, event;
};
extern struct interrupt_counts interrupt_counts[VCPUS_MAX];

static inline uint64_t hypercall(uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 __asm__("x0") = number;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;
    register uint64_t x3 __asm__("x3") = c;

    __asm__ volatile("hvc #0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}

/* The index of the vCPU this runs on. */
static inline unsigned vcpu_index(void)
{
    uint64_t value;

    __asm__("mrs %0, tpidr_el1" : "=r"(value));
    return (unsigned)value;
}

uint64_t hypervisor_version(void);
uint64_t clock_ticks(void);
void console_write(const char *text);
void console_number(uint64_t number);
void vcpu_on(unsigned index);
void timer_start(uint32_t milliseconds);
void interrupts_enable(void);
void wait_until(const volatile uint64_t *count, uint64_t beyond);
_Noreturn void guest_panic(uint64_t esr, uint64_t elr, uint64_t far);

void main(unsigned vcpu);

#endif
