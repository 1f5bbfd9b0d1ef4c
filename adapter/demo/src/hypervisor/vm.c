/* The two virtual machines: their memory filled from the embedded images, their vCPUs in reset state. */
#include "arch.h"
#include "hv.h"
#include "trace.h"
#include "../hypercall.h"

#define GUEST_ENTRY_IPA 0x40080000ull
#define PSTATE_EL1H_MASKED 0x3c5ull   /* EL1h, D A I F masked */
#define SCTLR_EL1_RESET 0x30d00800ull /* RES1, MMU off */

struct vm vms[VMS] = {
    { .name = "blinky", .vmid = 1, .vcpu_count = 2 },
    { .name = "courier", .vmid = 2, .vcpu_count = 1 },
};

static __attribute__((aligned(4096))) char hyp_stacks[VMS][VM_VCPUS][HYP_STACK_SIZE];

extern const char image_blinky[], image_blinky_end[], image_courier[], image_courier_end[];

static void load(struct vm *vm, const char *image, const char *end)
{
    for (uint64_t ipa = GUEST_ENTRY_IPA; image < end; ipa++, image++)
        *(volatile char *)stage2_lookup(vm, ipa) = *image;
}

/* Puts the vCPU at `entry` in the state PSCI CPU_ON promises; false when it is already on. */
bool vcpu_start(struct vcpu *vcpu, uint64_t entry, uint64_t argument)
{
    if (vcpu->state != VCPU_OFFLINE)
        return false;
    vcpu->regs = (struct guest_regs){ .x = { argument }, .pc = entry, .pstate = PSTATE_EL1H_MASKED };
    vcpu->el1 = (struct el1_regs){ .sctlr_el1 = SCTLR_EL1_RESET };
    vcpu->stack_top = (uint64_t)hyp_stacks[vcpu->vm - vms][vcpu->index] + HYP_STACK_SIZE;
    vcpu->hyp = (struct hyp_context){
        .x19_x28 = { (uint64_t)vcpu },
        .lr = (uint64_t)vcpu_first_entry,
        .sp = vcpu->stack_top,
    };
    vcpu_wake(vcpu);
    return true;
}

void vms_create(void)
{
    for (unsigned slot = 0; slot < VMS; slot++) {
        struct vm *vm = &vms[slot];

        hvtrace_guest_added(this_pcpu()->index, slot);
        stage2_build(vm, slot);
        vm->cntvoff = counter() - 1000 * vm->vmid;
        vm->sensor_seed = 0x2545f491u * vm->vmid;
        for (unsigned i = 0; i < VM_VCPUS; i++) {
            vm->vcpus[i].vm = vm;
            vm->vcpus[i].index = i;
        }
    }
    load(&vms[0], image_blinky, image_blinky_end);
    load(&vms[1], image_courier, image_courier_end);
    dsb();
    __asm__ volatile("ic ialluis\n\tdsb ish\n\tisb" ::: "memory");
    for (unsigned slot = 0; slot < VMS; slot++)
        vcpu_start(&vms[slot].vcpus[0], GUEST_ENTRY_IPA, 0);
}
