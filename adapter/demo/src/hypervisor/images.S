// The guests' memory images, made from their ELF files by the build script.
    .section .images, "a"
    .macro image name, file
    .balign 8
    .globl image_\name, image_\name\()_end
    .type image_\name, %object
image_\name:
    .incbin "\file"
image_\name\()_end:
    .size image_\name, . - image_\name
    .endm

    image blinky, "blinky.bin"
    image courier, "courier.bin"
