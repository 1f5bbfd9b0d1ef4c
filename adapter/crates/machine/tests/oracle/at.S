// Runs AT on each case of cases.bin and writes PAR_EL1 to the file par.bin by semihosting. Entered at EL3, MMU off.
//
// At 0x48200000: the number of cases, 0, then for each case twelve words:
//   kind (0: AT S12E1R, 1: AT S1E2R), HCR_EL2, TCR, TTBR0, TTBR1, MAIR, VTCR_EL2, VTTBR_EL2, VA, SCTLR, 0, 0
    .equ CASES, 0x48200000
    .equ CASE_SIZE, 96
    .equ RESULTS, 0x48800000

    .global _start
_start:
    mov x0, #0x531                  // SCR_EL3: NS, HCE, RW
    msr scr_el3, x0
    adr x0, vectors
    msr vbar_el3, x0
    isb
    ldr x19, =CASES
    ldr x21, =RESULTS
    ldr x20, [x19], #16
next:
    cbz x20, done
    ldp x0, x1, [x19]
    ldp x2, x3, [x19, #16]
    ldp x4, x5, [x19, #32]
    ldp x6, x7, [x19, #48]
    ldp x8, x9, [x19, #64]
    msr hcr_el2, x1
    isb
    cbnz x0, el2
    msr tcr_el1, x2
    msr ttbr0_el1, x3
    msr ttbr1_el1, x4
    msr mair_el1, x5
    msr vtcr_el2, x6
    msr vttbr_el2, x7
    msr sctlr_el1, x9
    isb
    tlbi alle1
    dsb sy
    isb
    at s12e1r, x8
    b told
el2:
    msr tcr_el2, x2
    msr ttbr0_el2, x3
    msr s3_4_c2_c0_1, x4            // TTBR1_EL2
    msr mair_el2, x5
    msr sctlr_el2, x9
    isb
    tlbi alle2
    dsb sy
    isb
    at s1e2r, x8
told:
    isb
    mrs x10, par_el1
store:
    str x10, [x21], #8
    add x19, x19, #CASE_SIZE
    sub x20, x20, #1
    b next

done:
    adr x1, open
    mov x0, #1                      // SYS_OPEN
    hlt #0xf000
    adr x1, write
    ldr x2, =RESULTS
    sub x3, x21, x2
    stp x0, x2, [x1]
    str x3, [x1, #16]
    mov x0, #5                      // SYS_WRITE
    hlt #0xf000
    adr x1, exit
    mov x0, #0x18                   // SYS_EXIT
    hlt #0xf000
    b .

// An external abort on a walk is taken here: note its status code in PAR's format.
    .balign 2048
vectors:
    .skip 0x200
    mrs x10, esr_el3
    ubfiz x10, x10, #1, #6
    orr x10, x10, #1
    adr x11, store
    msr elr_el3, x11
    eret

    .balign 2048
name: .asciz "par.bin"
    .balign 8
open: .quad name, 5, 7              // "wb"
write: .quad 0, 0, 0
exit: .quad 0x20026, 0
    .ltorg
