/* Where each core arrives in C: core 0 makes the machines and starts core 1, then both serve the run queue. */
#include "arch.h"
#include "hv.h"
#include "trace.h"

#define PSCI_CPU_ON_SMC 0xc4000003ull
#define CPTR_NO_FP 0x37ffull        /* traps floating point: guests have none */
#define CNTHCTL_EL1_VIRTUAL_ONLY 0ull /* guests have the virtual timer, not the physical one */

static uint64_t smc(uint64_t function, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;
    register uint64_t x3 __asm__("x3") = c;

    __asm__ volatile("smc #0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x3) : "memory", "x4", "x5", "x6", "x7");
    return x0;
}

static void core_init(struct pcpu *core, unsigned index)
{
    write_sysreg(tpidr_el2, core);
    core->index = index;
    core->idle.index = index;
    core->idle.pcpu = index;
    core->idle.state = VCPU_RUNNING;
    core->current = &core->idle;
    write_sysreg(vtcr_el2, VTCR_EL2_VALUE);
    write_sysreg(vttbr_el2, 0);
    write_sysreg(cptr_el2, CPTR_NO_FP);
    write_sysreg(cnthctl_el2, CNTHCTL_EL1_VIRTUAL_ONLY);
    write_sysreg(hstr_el2, 0);
    write_sysreg(vpidr_el2, read_sysreg(midr_el1));
    write_sysreg(cntv_ctl_el0, 0);
    inject(&core->idle);
    gic_init_core(index);
}

_Noreturn void core_main(unsigned index);
_Noreturn void core_main(unsigned index)
{
    if (index == 0) {
        gic_init_distributor();
        core_init(&pcpus[0], 0);
        hvtrace_init(read_sysreg(cntfrq_el0), virtual_to_physical(hvtrace_rings) - (uint64_t)hvtrace_rings);
        console_init();
        console_line("hvdemo", "a small type-1 hypervisor: 2 pCPUs, 2 VMs");
        vms_create();
        if (smc(PSCI_CPU_ON_SMC, 1, virtual_to_physical(secondary_start), 1) != 0)
            panic("pCPU 1 does not start", 1);
    } else {
        core_init(&pcpus[index], index);
    }
    idle_loop();
}
