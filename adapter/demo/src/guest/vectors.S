// A guest's exceptions: interrupts are served and returned from, all else ends the vCPU.
//
// The CFI of `irq_entry` describes the interrupted code: the return address is ELR_EL1, column 33 (ELR_mode in DWARF for
// the Arm 64-bit Architecture, 4.1), kept in the frame with every register the C handler may change.

#define FRAME 192

    .cfi_sections .debug_frame

    .text
    .balign 2048
    .globl vectors
    .type vectors, %function
vectors:
    .cfi_startproc
    .cfi_undefined x30
    .rept 5
    .balign 128
    b       unexpected
    .endr
    .balign 128
    b       irq_entry                   // 0x280: IRQ from EL1 with SP_EL1
    .rept 10
    .balign 128
    b       unexpected
    .endr
    .balign 128
    .cfi_endproc
    .size vectors, . - vectors

    .globl irq_entry
    .type irq_entry, %function
irq_entry:
    .cfi_startproc
    .cfi_signal_frame
    .cfi_return_column 33
    sub     sp, sp, #FRAME
    .cfi_def_cfa_offset FRAME
    stp     x0, x1, [sp]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x29, [sp, #144]
    .cfi_offset x29, 152 - FRAME
    mrs     x0, elr_el1
    mrs     x1, spsr_el1
    stp     x30, x0, [sp, #160]
    .cfi_offset x30, 160 - FRAME
    .cfi_offset 33, 168 - FRAME
    str     x1, [sp, #176]
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18
    .cfi_offset x\n, \n * 8 - FRAME
    .endr
    bl      interrupt
    ldr     x1, [sp, #176]
    ldp     x30, x0, [sp, #160]
    msr     elr_el1, x0
    msr     spsr_el1, x1
    ldp     x18, x29, [sp, #144]
    ldp     x16, x17, [sp, #128]
    ldp     x14, x15, [sp, #112]
    ldp     x12, x13, [sp, #96]
    ldp     x10, x11, [sp, #80]
    ldp     x8, x9, [sp, #64]
    ldp     x6, x7, [sp, #48]
    ldp     x4, x5, [sp, #32]
    ldp     x2, x3, [sp, #16]
    ldp     x0, x1, [sp]
    add     sp, sp, #FRAME
    eret
    .cfi_endproc
    .size irq_entry, . - irq_entry

    .globl unexpected
    .type unexpected, %function
unexpected:
    .cfi_startproc
    .cfi_undefined x30
    mrs     x0, esr_el1
    mrs     x1, elr_el1
    mrs     x2, far_el1
    bl      guest_panic
    .cfi_endproc
    .size unexpected, . - unexpected
