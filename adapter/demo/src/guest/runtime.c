/* Hypercalls, console, timer and interrupts of a guest. */
#include "runtime.h"

#define TIMER_ENABLE 1ull

struct interrupt_counts interrupt_counts[VCPUS_MAX];

extern char _start[];

uint64_t hypervisor_version(void)
{
    return hypercall(HYPERCALL_VERSION, 0, 0, 0);
}

uint64_t clock_ticks(void)
{
    return hypercall(HYPERCALL_TICKS, 0, 0, 0);
}

void console_write(const char *text)
{
    for (; *text; text++)
        hypercall(HYPERCALL_PUTC, (uint8_t)*text, 0, 0);
}

void console_number(uint64_t number)
{
    if (number >= 10)
        console_number(number / 10);
    hypercall(HYPERCALL_PUTC, '0' + number % 10, 0, 0);
}

/* Starts another vCPU at this guest's entry, which it finds at its IPA: the MMU of the new vCPU is off. */
void vcpu_on(unsigned index)
{
    uint64_t entry;

    __asm__("at s1e1r, %1\n\tisb\n\tmrs %0, par_el1" : "=r"(entry) : "r"(_start));
    entry = (entry & 0xfffffffff000ull) | ((uint64_t)_start & 0xfff);
    hypercall(PSCI_CPU_ON, index, entry, index);
}

void timer_start(uint32_t milliseconds)
{
    uint64_t frequency;

    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
    __asm__ volatile("msr cntv_tval_el0, %0\n\tmsr cntv_ctl_el0, %1\n\tisb" ::"r"(frequency * milliseconds / 1000),
                     "r"(TIMER_ENABLE));
}

void interrupts_enable(void)
{
    __asm__ volatile("msr daifclr, #2" ::: "memory");
}

/* Sleeps until the interrupt handler has moved `count` beyond a value. Interrupts are masked while looking, so none is
 * missed between the look and the WFI, which ends on a masked interrupt too. */
void wait_until(const volatile uint64_t *count, uint64_t beyond)
{
    while (*count <= beyond) {
        __asm__ volatile("msr daifset, #2" ::: "memory");
        if (*count <= beyond)
            __asm__ volatile("dsb sy\n\twfi" ::: "memory");
        interrupts_enable();
    }
}

/* Called by `irq_entry`. */
void interrupt(void);
void interrupt(void)
{
    struct interrupt_counts *counts = &interrupt_counts[vcpu_index()];
    uint64_t pending = hypercall(HYPERCALL_ACK, 0, 0, 0);

    if (pending & INTERRUPT_TIMER) {
        __asm__ volatile("msr cntv_ctl_el0, xzr\n\tisb" ::: "memory");
        counts->timer++;
    }
    if (pending & INTERRUPT_EVENT)
        counts->event++;
}

void guest_panic(uint64_t esr, uint64_t elr, uint64_t far)
{
    for (;;)
        hypercall(HYPERCALL_PANIC, esr, elr, far);
}
