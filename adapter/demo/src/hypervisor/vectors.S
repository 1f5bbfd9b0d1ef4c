// Exceptions to EL2 and the switch from one vCPU's EL2 stack to another's.
//
// While a guest runs, SP_EL2 points to its struct vcpu, whose first field is struct guest_regs: entering EL2 stores the
// guest's registers there and then takes the vCPU's EL2 stack. The entry points have no caller: their CFI says so, and
// what lies beyond is the guest.

#define REGS_PC     (31 * 8)
#define STACK_TOP   (33 * 8)

    .cfi_sections .debug_frame

    .macro outermost name
    .globl \name
    .type \name, %function
\name:
    .cfi_startproc
    .cfi_undefined x30
    .endm
    .macro done name
    .cfi_endproc
    .size \name, . - \name
    .endm

    .macro save_guest
    stp     x0, x1, [sp]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    mrs     x0, elr_el2
    stp     x30, x0, [sp, #240]
    mrs     x1, spsr_el2
    str     x1, [sp, #REGS_PC + 8]
    mov     x0, sp                      // the vCPU: argument of what is called next
    ldr     x1, [sp, #STACK_TOP]
    mov     sp, x1
    mov     x29, xzr
    .endm

    .text
    .balign 2048
    .globl vectors
    .type vectors, %function
vectors:
    .cfi_startproc
    .cfi_undefined x30
    .rept 8                             // from EL2 itself: only mistakes come here, interrupts are polled
    .balign 128
    b       hypervisor_fault
    .endr
    .balign 128
    b       guest_sync                  // 0x400: from EL1, AArch64
    .balign 128
    b       guest_irq                   // 0x480
    .rept 6
    .balign 128
    b       hypervisor_fault
    .endr
    .balign 128
    .cfi_endproc
    .size vectors, . - vectors

    outermost guest_sync
    save_guest
    mov     x19, x0
    bl      trap_sync
    b       enter_guest
    done guest_sync

    outermost guest_irq
    save_guest
    mov     x19, x0
    bl      trap_irq
    b       enter_guest
    done guest_irq

// Where a vCPU that never ran begins: cpu_switch returns here, with x19 as `vcpu_start` left it.
    outermost vcpu_first_entry
    mov     x0, x19
    bl      schedule_first
    b       enter_guest
    done vcpu_first_entry

// x19: the vCPU.
    outermost enter_guest
    mov     sp, x19
    ldp     x0, x1, [sp, #REGS_PC]
    msr     elr_el2, x0
    msr     spsr_el2, x1
    ldp     x0, x1, [sp]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x19, [sp, #144]
    ldp     x20, x21, [sp, #160]
    ldp     x22, x23, [sp, #176]
    ldp     x24, x25, [sp, #192]
    ldp     x26, x27, [sp, #208]
    ldp     x28, x29, [sp, #224]
    ldr     x30, [sp, #240]
    eret
    done enter_guest

    outermost hypervisor_fault
    mov     x29, xzr
    mrs     x0, esr_el2
    mrs     x1, elr_el2
    mrs     x2, far_el2
    bl      trap_fault
    done hypervisor_fault

// void cpu_switch(struct hyp_context *from, struct hyp_context *to)
    .globl cpu_switch
    .type cpu_switch, %function
cpu_switch:
    .cfi_startproc
    mov     x9, sp
    stp     x19, x20, [x0]
    stp     x21, x22, [x0, #16]
    stp     x23, x24, [x0, #32]
    stp     x25, x26, [x0, #48]
    stp     x27, x28, [x0, #64]
    stp     x29, x30, [x0, #80]
    str     x9, [x0, #96]
    ldp     x19, x20, [x1]
    ldp     x21, x22, [x1, #16]
    ldp     x23, x24, [x1, #32]
    ldp     x25, x26, [x1, #48]
    ldp     x27, x28, [x1, #64]
    ldp     x29, x30, [x1, #80]
    ldr     x9, [x1, #96]
    mov     sp, x9
    ret
    .cfi_endproc
    .size cpu_switch, . - cpu_switch
