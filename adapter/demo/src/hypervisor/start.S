// Entry of both physical cores at EL2 with the MMU off: stack, EL2 tables (built by core 0), MMU on, then C at the
// linked address. QEMU starts core 0 here; core 1 comes from PSCI CPU_ON.

#define TCR_EL2_VALUE   0x80823519      // 4 KiB granule, T0SZ 25 (39 bits, 3 levels), write-back, inner shareable, 40-bit PA
#define MAIR_EL2_VALUE  0x00ff          // attribute 0: normal write-back; 1: device nGnRnE
#define SCTLR_EL2_VALUE 0x30c5183d      // RES1, I, C, SA, M

    .cfi_sections .debug_frame

    .section .text.start, "ax"
    .globl _start
    .type _start, %function
_start:
    .cfi_startproc
    .cfi_undefined x30
    mov     x19, #0
    adrp    x0, bss_start
    add     x0, x0, :lo12:bss_start
    adrp    x1, bss_end
    add     x1, x1, :lo12:bss_end
1:  stp     xzr, xzr, [x0], #16
    cmp     x0, x1
    b.lo    1b
    adrp    x0, idle_stacks
    add     x0, x0, :lo12:idle_stacks
    add     sp, x0, #4096
    bl      el2_tables_build
    b       enable_mmu
    .cfi_endproc
    .size _start, . - _start

// Second core: x0 is the context PSCI was given, its index.
    .globl secondary_start
    .type secondary_start, %function
secondary_start:
    .cfi_startproc
    .cfi_undefined x30
    mov     x19, x0
enable_mmu:
    adrp    x0, el2_root
    add     x0, x0, :lo12:el2_root
    msr     ttbr0_el2, x0
    ldr     x0, =TCR_EL2_VALUE
    msr     tcr_el2, x0
    mov     x0, #MAIR_EL2_VALUE
    msr     mair_el2, x0
    tlbi    alle2
    dsb     sy
    isb
    ldr     x0, =SCTLR_EL2_VALUE
    msr     sctlr_el2, x0
    isb
    ldr     x0, =linked
    br      x0
linked:                                 // from here on everything is at its linked address
    ldr     x0, =vectors
    msr     vbar_el2, x0
    ldr     x0, =idle_stacks
    add     x1, x19, #1
    add     x0, x0, x1, lsl #12
    mov     sp, x0
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, x19
    bl      core_main
1:  b       1b
    .cfi_endproc
    .size secondary_start, . - secondary_start

    .bss
    .balign 4096
    .globl idle_stacks
    .type idle_stacks, %object
idle_stacks:                            // one page a core: the idle vCPUs' stacks
    .skip   2 * 4096
    .size idle_stacks, . - idle_stacks
