/* Who runs where: one run queue for all cores, served in turn, so vCPUs move between cores by themselves.
 *
 * A vCPU's state changes in `set_state` and nowhere else, and a core changes vCPU in `schedule` and nowhere else:
 * what records scheduling is there. */
#include "arch.h"
#include "hv.h"
#include "trace.h"
#include "../hypercall.h"

HVTRACE_DEFINE;

#define SLICE_PER_SECOND 250
#define FOREVER (~0ull)

struct pcpu pcpus[PCPUS];
static struct spinlock sched_lock;
static struct vcpu *queue_head, *queue_tail;

void spin_lock(struct spinlock *lock)
{
    while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE))
        ;
}

void spin_unlock(struct spinlock *lock)
{
    __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

struct pcpu *this_pcpu(void)
{
    return (struct pcpu *)read_sysreg(tpidr_el2);
}

static void set_state(struct vcpu *vcpu, enum run_state state)
{
    uint64_t now = counter();

    vcpu->time_in[vcpu->state] += now - vcpu->state_since;
    vcpu->state_since = now;
    hvtrace_run_state_at(this_pcpu()->index, now, trace_guest(vcpu), vcpu->index,
                         trace_state(vcpu->state), trace_state(state));
    vcpu->state = state;
}

static void enqueue(struct vcpu *vcpu)
{
    if (vcpu->state == VCPU_BLOCKED)
        hvtrace_wake(this_pcpu()->index, trace_guest(vcpu), vcpu->index);
    set_state(vcpu, VCPU_RUNNABLE);
    vcpu->next = NULL;
    if (queue_tail)
        queue_tail->next = vcpu;
    else
        queue_head = vcpu;
    queue_tail = vcpu;
}

static struct vcpu *dequeue(void)
{
    struct vcpu *vcpu = queue_head;

    if (vcpu) {
        queue_head = vcpu->next;
        if (!queue_head)
            queue_tail = NULL;
        vcpu->next = NULL;
    }
    return vcpu;
}

/* Tells a core without work that there is some. */
static void kick_idle(void)
{
    for (unsigned i = 0; i < PCPUS; i++)
        if (&pcpus[i] != this_pcpu() && pcpus[i].current == &pcpus[i].idle) {
            gic_kick(i);
            return;
        }
}

/* Queues vCPUs whose block has ended; returns when the next one ends. */
static uint64_t wake_expired(uint64_t now)
{
    uint64_t next = FOREVER;

    for (unsigned v = 0; v < VMS; v++)
        for (unsigned i = 0; i < vms[v].vcpu_count; i++) {
            struct vcpu *vcpu = &vms[v].vcpus[i];

            if (vcpu->state != VCPU_BLOCKED)
                continue;
            if (vcpu->wake_at <= now || vcpu->pending)
                enqueue(vcpu);
            else if (vcpu->wake_at < next)
                next = vcpu->wake_at;
        }
    return next;
}

/* Every field of struct el1_regs, the timer's control last: restoring it may raise an interrupt. */
#define EL1_REGISTERS(each)                                                                              \
    each(sp_el0) each(sp_el1) each(elr_el1) each(spsr_el1)                                               \
    each(sctlr_el1) each(ttbr0_el1) each(ttbr1_el1) each(tcr_el1) each(mair_el1) each(vbar_el1)          \
    each(esr_el1) each(far_el1) each(par_el1) each(cpacr_el1)                                            \
    each(contextidr_el1) each(tpidr_el0) each(tpidrro_el0) each(tpidr_el1)                               \
    each(cntkctl_el1) each(cntv_cval_el0) each(cntv_ctl_el0)

static void el1_save(struct el1_regs *el1)
{
#define SAVE(name) el1->name = read_sysreg(name);
    EL1_REGISTERS(SAVE)
    write_sysreg(cntv_ctl_el0, 0);
}

static void el1_restore(const struct el1_regs *el1)
{
#define RESTORE(name) write_sysreg(name, el1->name);
    EL1_REGISTERS(RESTORE)
}

/* Gives the core's EL1 registers and stage 2 from one vCPU to the other. An idle core has VMID 0 and no tables. */
static void world_switch(struct vcpu *from, struct vcpu *to)
{
    if (from->vm) {
        el1_save(&from->el1);
        from->loaded = false;
    }
    write_sysreg(vttbr_el2, to->vm ? to->vm->vttbr : 0);
    if (to->vm) {
        write_sysreg(cntvoff_el2, to->vm->cntvoff);
        write_sysreg(vmpidr_el2, 1ull << 31 | to->index);
        isb();
        el1_restore(&to->el1);
        to->loaded = true;
    }
    isb();
}

/* Lets the core run what is due. Returns when the calling vCPU is on a core again, maybe another one. */
void schedule(void)
{
    spin_lock(&sched_lock);
    struct pcpu *core = this_pcpu();
    struct vcpu *from = core->current, *to = from;
    uint64_t now = counter(), next_wake = wake_expired(now);
    bool wants_on = from->state == VCPU_RUNNING && from->vm;

    if (!wants_on || now >= core->slice_end) {
        if (wants_on)
            enqueue(from);
        to = dequeue();
        if (!to)
            to = &core->idle;
        core->slice_end = now + read_sysreg(cntfrq_el0) / SLICE_PER_SECOND;
    }
    if (queue_head)
        kick_idle();

    uint64_t timer = to->vm && core->slice_end < next_wake ? core->slice_end : next_wake;
    write_sysreg(cnthp_cval_el2, timer);
    write_sysreg(cnthp_ctl_el2, TIMER_ENABLE);

    if (to != from && !from->vm)
        set_state(from, VCPU_RUNNABLE); /* the idle vCPU always could */
    if (to->state != VCPU_RUNNING)
        set_state(to, VCPU_RUNNING);
    if (to != from) {
        if (to->pcpu != core->index)
            to->migrations++;
        to->pcpu = core->index;
        to->switches++;
        core->switches++;
        hvtrace_switch(core->index, trace_guest(from), from->index, trace_guest(to), to->index);
        world_switch(from, to);
        cpu_switch(&from->hyp, &to->hyp);
        this_pcpu()->current = from; /* which has a core again, maybe another one */
    }
    spin_unlock(&sched_lock);
}

/* The end of `schedule` for a vCPU that runs for the first time. */
void schedule_first(struct vcpu *vcpu);
void schedule_first(struct vcpu *vcpu)
{
    this_pcpu()->current = vcpu;
    spin_unlock(&sched_lock);
    inject(vcpu);
}

void vcpu_wake(struct vcpu *vcpu)
{
    spin_lock(&sched_lock);
    if (vcpu->state == VCPU_OFFLINE || vcpu->state == VCPU_BLOCKED) {
        enqueue(vcpu);
        kick_idle();
    }
    spin_unlock(&sched_lock);
}

/* Makes virtual interrupts pending: ends a block, or makes the core that runs the vCPU look. */
void vcpu_interrupt(struct vcpu *vcpu, uint32_t interrupts)
{
    hvtrace_inject(this_pcpu()->index, trace_guest(vcpu), vcpu->index,
                   interrupts == INTERRUPT_TIMER ? INTID_VIRTUAL_TIMER : INTID_EVENT);
    __atomic_fetch_or(&vcpu->pending, interrupts, __ATOMIC_RELEASE);
    spin_lock(&sched_lock);
    if (vcpu->state == VCPU_BLOCKED) {
        enqueue(vcpu);
        kick_idle();
    } else if (vcpu->state == VCPU_RUNNING && vcpu->pcpu != this_pcpu()->index) {
        gic_kick(vcpu->pcpu);
    }
    spin_unlock(&sched_lock);
}

/* Takes the vCPU off its core until an interrupt is pending or its timer is due. */
void vcpu_block(struct vcpu *vcpu)
{
    uint64_t control = read_sysreg(cntv_ctl_el0);
    bool armed = (control & (TIMER_ENABLE | TIMER_MASKED)) == TIMER_ENABLE;

    spin_lock(&sched_lock);
    if (!vcpu->pending) {
        vcpu->wake_at = armed ? read_sysreg(cntv_cval_el0) + vcpu->vm->cntvoff : FOREVER;
        set_state(vcpu, VCPU_BLOCKED);
    }
    spin_unlock(&sched_lock);
    schedule();
}

void vcpu_yield(void)
{
    this_pcpu()->slice_end = 0;
    schedule();
}

void vcpu_end(struct vcpu *vcpu)
{
    spin_lock(&sched_lock);
    set_state(vcpu, VCPU_OFFLINE);
    spin_unlock(&sched_lock);
    schedule();
}

/* What a core does when nothing is due: interrupts stay masked, WFI ends all the same when one is pending (D1.6.2). */
void idle_loop(void)
{
    for (;;) {
        schedule();
        wfi();
        irqs_handle(NULL);
    }
}

uint64_t ticks_total(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < PCPUS; i++)
        sum += pcpus[i].ticks;
    return sum;
}
