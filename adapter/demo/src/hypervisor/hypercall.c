/* The call gate: HVC from a guest. */
#include "../hypercall.h"
#include "hv.h"
#include "trace.h"

#define PSCI_SUCCESS 0
#define PSCI_INVALID_PARAMETERS ((uint64_t)-2)
#define PSCI_ALREADY_ON ((uint64_t)-4)
#define NOT_SUPPORTED ((uint64_t)-1)
#define PSCI_1_0 0x00010000

static uint64_t cpu_on(struct vm *vm, uint64_t index, uint64_t entry, uint64_t argument)
{
    if (index >= vm->vcpu_count)
        return PSCI_INVALID_PARAMETERS;
    return vcpu_start(&vm->vcpus[index], entry, argument) ? PSCI_SUCCESS : PSCI_ALREADY_ON;
}

static uint64_t notify(struct vm *vm, uint64_t index)
{
    if (index >= vm->vcpu_count)
        return NOT_SUPPORTED;
    vcpu_interrupt(&vm->vcpus[index], INTERRUPT_EVENT);
    return 0;
}

uint64_t hypercall(struct vcpu *vcpu, uint64_t number, const uint64_t *arguments)
{
    struct vm *vm = vcpu->vm;

    vm->hypercalls++;
    hvtrace_hypercall(this_pcpu()->index, trace_guest(vcpu), vcpu->index, (uint32_t)number);
    switch (number) {
    case HYPERCALL_VERSION:
        return HYPERVISOR_VERSION;
    case HYPERCALL_PUTC:
        console_put(vm, (char)arguments[0]);
        return 0;
    case HYPERCALL_YIELD:
        vcpu_yield();
        return 0;
    case HYPERCALL_TICKS:
        return ticks_total();
    case HYPERCALL_NOTIFY:
        return notify(vm, arguments[0]);
    case HYPERCALL_ACK:
        return __atomic_exchange_n(&vcpu->pending, 0, __ATOMIC_ACQUIRE);
    case HYPERCALL_PANIC:
        console_line(vm->name, "guest panic: vCPU ended");
        vcpu_end(vcpu);
        return 0;
    case PSCI_VERSION:
        return PSCI_1_0;
    case PSCI_CPU_ON:
        return cpu_on(vm, arguments[0], arguments[1], arguments[2]);
    default:
        return NOT_SUPPORTED;
    }
}
