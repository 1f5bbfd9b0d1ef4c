// Entry of a guest's vCPUs at EL1 with the MMU off: stage-1 tables (built by vCPU 0), MMU on, then main(vcpu) at the
// linked address. x0 is 0 for vCPU 0 and the argument of PSCI CPU_ON for others.

#define TCR_EL1_VALUE  0x2b5193519      // both halves: 39 bits, 4 KiB granule, write-back, inner shareable; 40-bit IPA
#define MAIR_EL1_VALUE 0x00ff           // attribute 0: normal write-back; 1: device nGnRnE
#define SCTLR_EL1_VALUE 0x30d0180d      // RES1, I, SA, C, M

    .cfi_sections .debug_frame

    .section .text.start, "ax"
    .globl _start
    .type _start, %function
_start:
    .cfi_startproc
    .cfi_undefined x30
    mov     x19, x0
    cbnz    x19, enable_mmu
    adrp    x0, bss_start
    add     x0, x0, :lo12:bss_start
    adrp    x1, bss_end
    add     x1, x1, :lo12:bss_end
1:  stp     xzr, xzr, [x0], #16
    cmp     x0, x1
    b.lo    1b
    adrp    x0, stacks
    add     x0, x0, :lo12:stacks
    add     sp, x0, #4096
    bl      tables_build
enable_mmu:
    adrp    x0, ttbr0_table
    add     x0, x0, :lo12:ttbr0_table
    msr     ttbr0_el1, x0
    adrp    x0, ttbr1_table
    add     x0, x0, :lo12:ttbr1_table
    msr     ttbr1_el1, x0
    ldr     x0, =TCR_EL1_VALUE
    msr     tcr_el1, x0
    mov     x0, #MAIR_EL1_VALUE
    msr     mair_el1, x0
    tlbi    vmalle1
    dsb     sy
    isb
    ldr     x0, =SCTLR_EL1_VALUE
    msr     sctlr_el1, x0
    isb
    ldr     x0, =linked
    br      x0
linked:                                 // from here on everything is at its linked address
    ldr     x0, =vectors
    msr     vbar_el1, x0
    msr     tpidr_el1, x19
    ldr     x0, =stacks
    add     x1, x19, #1
    add     x0, x0, x1, lsl #12
    mov     sp, x0
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, x19
    bl      main
halted:
    wfi
    b       halted
    .cfi_endproc
    .size _start, . - _start
    .ltorg

    .bss
    .balign 4096
    .globl stacks
    .type stacks, %object
stacks:                                 // one page a vCPU
    .skip   2 * 4096
    .size stacks, . - stacks
