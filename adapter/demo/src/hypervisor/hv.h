/* What the hypervisor keeps in memory: virtual machines, their vCPUs, and what each physical core is doing.
 *
 * A debugger reads these by name through DWARF (vms, pcpus), so a field says what it holds and is not packed away.
 * Where the guest's registers are:
 *   general registers  in `vcpu.regs`, written at every entry to EL2;
 *   EL1 registers      in the core while `vcpu.loaded`, else in `vcpu.el1`;
 *   hypervisor's own   in `vcpu.hyp` while the vCPU is on no core: each vCPU has its own EL2 stack. */
#ifndef HV_H
#define HV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCPUS 2
#define VMS 2
#define VM_VCPUS 2
#define HYP_STACK_SIZE 4096

struct spinlock {
    uint32_t held;
};

/* The guest's general registers as they were at the last entry to EL2. vectors.S knows this layout. */
struct guest_regs {
    uint64_t x[31];
    uint64_t pc;
    uint64_t pstate;
};

/* The guest's EL1 registers while it is on no core. */
struct el1_regs {
    uint64_t sp_el0, sp_el1, elr_el1, spsr_el1;
    uint64_t sctlr_el1, ttbr0_el1, ttbr1_el1, tcr_el1, mair_el1, vbar_el1;
    uint64_t esr_el1, far_el1, par_el1, cpacr_el1;
    uint64_t contextidr_el1, tpidr_el0, tpidrro_el0, tpidr_el1;
    uint64_t cntkctl_el1, cntv_ctl_el0, cntv_cval_el0;
};

/* The hypervisor's callee-saved registers on the vCPU's own EL2 stack. vectors.S knows this layout. */
struct hyp_context {
    uint64_t x19_x28[10];
    uint64_t fp, lr, sp;
};

enum run_state {
    VCPU_OFFLINE,  /* not started, or ended */
    VCPU_BLOCKED,  /* waits for an interrupt (WFI) */
    VCPU_RUNNABLE, /* in the run queue */
    VCPU_RUNNING,  /* on `pcpu` */
};
#define RUN_STATES 4

struct vm;

struct vcpu {
    struct guest_regs regs;
    uint64_t stack_top; /* of its EL2 stack; vectors.S knows that it follows `regs` */
    struct hyp_context hyp;
    struct el1_regs el1;
    bool loaded; /* core `pcpu` has the EL1 registers */
    struct vm *vm; /* NULL: the idle vCPU of a pCPU */
    uint32_t index;
    enum run_state state;
    uint32_t pcpu;                /* where it runs, or ran last */
    uint32_t pending;             /* set of enum interrupt */
    uint64_t wake_at;             /* counter value that ends a block, ~0 for never */
    uint64_t state_since;         /* counter value of the last change of `state`, 0 before the first */
    uint64_t time_in[RUN_STATES]; /* counter ticks spent in each state */
    uint64_t exits, switches, migrations;
    struct vcpu *next; /* in the run queue */
} __attribute__((aligned(16))); /* SP_EL2 points to it */

struct vm {
    const char *name;
    uint16_t vmid;
    uint64_t vttbr; /* stage-2 root and VMID, as in VTTBR_EL2 */
    uint64_t cntvoff;
    uint32_t vcpu_count;
    struct vcpu vcpus[VM_VCPUS];
    uint32_t lamps; /* what the guest wrote to the sensor board */
    uint32_t sensor_seed;
    uint64_t hypercalls, aborts;
    uint32_t line_length;
    char line[96]; /* console output, printed when the line is whole */
};

/* A physical core; TPIDR_EL2 points here. */
struct pcpu {
    struct vcpu *current; /* whose EL2 stack it is on */
    uint32_t index;
    uint64_t slice_end; /* counter value at which `current` has had its turn */
    uint64_t ticks, switches;
    struct vcpu idle;
};

extern struct vm vms[VMS];
extern struct pcpu pcpus[PCPUS];

/* vectors.S */
extern char vectors[], secondary_start[], vcpu_first_entry[];
void cpu_switch(struct hyp_context *from, struct hyp_context *to);

/* console.c */
void console_init(void);
void console_line(const char *name, const char *text);
void console_put(struct vm *vm, char c);
_Noreturn void panic(const char *why, uint64_t detail);

/* The image is mapped at a fixed distance from where it lies (hypervisor.lds). */
static inline uint64_t virtual_to_physical(const void *address)
{
    return (uint64_t)address - 0x1fc0000000ull;
}

/* stage2.c */
#define VTCR_EL2_VALUE 0x80023559ull
void stage2_build(struct vm *vm, unsigned slot);
uint64_t stage2_lookup(const struct vm *vm, uint64_t ipa);

/* vm.c */
void vms_create(void);
bool vcpu_start(struct vcpu *vcpu, uint64_t entry, uint64_t argument);

/* sched.c */
void spin_lock(struct spinlock *lock);
void spin_unlock(struct spinlock *lock);
struct pcpu *this_pcpu(void);
void schedule(void);
void vcpu_wake(struct vcpu *vcpu);
void vcpu_interrupt(struct vcpu *vcpu, uint32_t interrupts);
void vcpu_block(struct vcpu *vcpu);
void vcpu_yield(void);
void vcpu_end(struct vcpu *vcpu);
_Noreturn void idle_loop(void);
uint64_t ticks_total(void);

/* gic.c */
#define INTID_KICK 0
#define INTID_EVENT 1 /* never taken: what a trace calls INTERRUPT_EVENT */
#define INTID_EL2_TIMER 26
#define INTID_VIRTUAL_TIMER 27
#define INTID_NONE 1020
void gic_init_distributor(void);
void gic_init_core(unsigned pcpu);
uint32_t gic_take(void);
void gic_end(uint32_t intid);
void gic_kick(unsigned pcpu);

/* trap.c */
void irqs_handle(struct vcpu *vcpu);
void inject(struct vcpu *vcpu);

/* hypercall.c, board.c */
uint64_t hypercall(struct vcpu *vcpu, uint64_t number, const uint64_t *arguments);
uint32_t board_read(struct vm *vm, uint32_t offset);
void board_write(struct vm *vm, uint32_t offset, uint32_t value);

#endif
