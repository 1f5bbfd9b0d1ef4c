/* The processor as C sees it: system registers, barriers, and the few fields used (Arm ARM DDI 0487). */
#ifndef ARCH_H
#define ARCH_H

#include <stdint.h>

#define read_sysreg(name)                                      \
    ({                                                         \
        uint64_t value_;                                       \
        __asm__ volatile("mrs %0, " #name : "=r"(value_));     \
        value_;                                                \
    })
#define write_sysreg(name, value) __asm__ volatile("msr " #name ", %0" ::"r"((uint64_t)(value)) : "memory")
#define isb() __asm__ volatile("isb" ::: "memory")
#define dsb() __asm__ volatile("dsb ish" ::: "memory")
#define wfi() __asm__ volatile("dsb sy\n\twfi" ::: "memory")

/* HCR_EL2 (D19.2.48) */
#define HCR_VM (1ull << 0)
#define HCR_FMO (1ull << 3)
#define HCR_IMO (1ull << 4)
#define HCR_AMO (1ull << 5)
#define HCR_VI (1ull << 7)
#define HCR_TWI (1ull << 13)
#define HCR_TSC (1ull << 19)
#define HCR_RW (1ull << 31)

/* ESR_EL2 exception classes (D19.2.37) */
#define ESR_EC(esr) ((unsigned)((esr) >> 26 & 0x3f))
#define EC_WFX 0x01
#define EC_HVC64 0x16
#define EC_SMC64 0x17
#define EC_DATA_ABORT_LOWER 0x24
/* Data abort syndrome: access described, register, direction. */
#define ISS_ISV (1u << 24)
#define ISS_SRT(iss) ((iss) >> 16 & 0x1f)
#define ISS_WNR (1u << 6)

/* Timer control (D19.12.10) */
#define TIMER_ENABLE 1u
#define TIMER_MASKED 2u

/* Descriptors of 4 KiB tables, both stages (D8.3). */
#define PAGE_SIZE 4096ull
#define BLOCK_SIZE (2ull << 20)
#define DESC_TABLE 3ull
#define DESC_PAGE 3ull
#define DESC_BLOCK 1ull
#define DESC_AF (1ull << 10)
#define DESC_INNER_SHAREABLE (3ull << 8)

static inline uint64_t counter(void)
{
    isb();
    return read_sysreg(cntpct_el0);
}

#endif
