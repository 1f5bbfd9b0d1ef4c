/* Why a guest came to EL2, and what is done about it. The entry code has saved the guest's registers. */
#include "arch.h"
#include "hv.h"
#include "trace.h"
#include "../hypercall.h"

#define HCR_GUEST (HCR_VM | HCR_RW | HCR_AMO | HCR_IMO | HCR_FMO | HCR_TWI | HCR_TSC)
#define PAGE_OFFSET(address) ((address) & (PAGE_SIZE - 1))

/* The interrupt line of the vCPU that is about to run: HCR_EL2.VI, high while something is pending. */
void inject(struct vcpu *vcpu)
{
    write_sysreg(hcr_el2, HCR_GUEST | (vcpu->pending ? HCR_VI : 0));
    isb();
    if (vcpu->vm)
        hvtrace_enter(this_pcpu()->index, trace_guest(vcpu), vcpu->index);
}

/* Takes every interrupt pending at this core; `vcpu` is the guest it interrupted, if any. */
void irqs_handle(struct vcpu *vcpu)
{
    uint32_t intid;

    while ((intid = gic_take()) < INTID_NONE) {
        if (intid == INTID_EL2_TIMER) {
            this_pcpu()->ticks++;
            write_sysreg(cnthp_ctl_el2, 0);
        } else if (intid == INTID_VIRTUAL_TIMER) {
            write_sysreg(cntv_ctl_el0, TIMER_ENABLE | TIMER_MASKED);
            if (vcpu)
                vcpu_interrupt(vcpu, INTERRUPT_TIMER);
        }
        gic_end(intid);
    }
}

void trap_irq(struct vcpu *vcpu);
void trap_irq(struct vcpu *vcpu)
{
    hvtrace_exit(this_pcpu()->index, trace_guest(vcpu), vcpu->index, 0);
    vcpu->exits++;
    irqs_handle(vcpu);
    schedule();
    inject(vcpu);
}

/* A guest touched an IPA that stage 2 does not map: the sensor board, or a mistake. */
static void trap_data_abort(struct vcpu *vcpu, uint32_t iss)
{
    uint64_t ipa = (read_sysreg(hpfar_el2) & ~0xfull) << 8 | PAGE_OFFSET(read_sysreg(far_el2));
    uint64_t *value = &vcpu->regs.x[ISS_SRT(iss)];

    vcpu->vm->aborts++;
    if (!(iss & ISS_ISV) || ipa - SENSOR_IPA >= PAGE_SIZE || ISS_SRT(iss) == 31) {
        console_line(vcpu->vm->name, "stage-2 abort outside RAM and devices: vCPU ended");
        vcpu_end(vcpu);
        return;
    }
    if (iss & ISS_WNR)
        board_write(vcpu->vm, PAGE_OFFSET(ipa), *value);
    else
        *value = board_read(vcpu->vm, PAGE_OFFSET(ipa));
    vcpu->regs.pc += 4;
}

void trap_sync(struct vcpu *vcpu);
void trap_sync(struct vcpu *vcpu)
{
    uint64_t esr = read_sysreg(esr_el2);

    hvtrace_exit(this_pcpu()->index, trace_guest(vcpu), vcpu->index, esr);
    vcpu->exits++;
    switch (ESR_EC(esr)) {
    case EC_SMC64:
        vcpu->regs.pc += 4; /* unlike HVC, ELR_EL2 is at the instruction itself */
        /* fall through */
    case EC_HVC64:
        vcpu->regs.x[0] = hypercall(vcpu, vcpu->regs.x[0], &vcpu->regs.x[1]);
        break;
    case EC_WFX:
        vcpu->regs.pc += 4;
        vcpu_block(vcpu);
        break;
    case EC_DATA_ABORT_LOWER:
        trap_data_abort(vcpu, esr & 0x1ffffff);
        break;
    default:
        console_line(vcpu->vm->name, "unexpected trap: vCPU ended");
        vcpu_end(vcpu);
    }
    inject(vcpu);
}

_Noreturn void trap_fault(uint64_t esr, uint64_t elr, uint64_t far);
_Noreturn void trap_fault(uint64_t esr, uint64_t elr, uint64_t far)
{
    (void)esr, (void)far;
    panic("exception in the hypervisor", elr);
}
