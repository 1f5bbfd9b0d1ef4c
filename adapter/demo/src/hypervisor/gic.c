/* As much of GICv3 as the hypervisor needs: two timers' private interrupts and one software-generated interrupt. */
#include "arch.h"
#include "hv.h"

#define GICD 0x08000000ull
#define GICR(core) (0x080a0000ull + (core) * 0x20000ull)
#define SGI_FRAME 0x10000ull
#define GICD_CTLR 0x0000
#define GICD_CTLR_ARE_GRP1 0x12 /* one security state: affinity routing, group 1 on */
#define GICR_WAKER 0x0014
#define WAKER_PROCESSOR_SLEEP 2u
#define WAKER_CHILDREN_ASLEEP 4u
#define GICR_IGROUPR0 0x0080
#define GICR_ISENABLER0 0x0100

#define ICC_SRE_EL2 S3_4_C12_C9_5
#define ICC_PMR_EL1 S3_0_C4_C6_0
#define ICC_IGRPEN1_EL1 S3_0_C12_C12_7
#define ICC_IAR1_EL1 S3_0_C12_C12_0
#define ICC_EOIR1_EL1 S3_0_C12_C12_1
#define ICC_SGI1R_EL1 S3_0_C12_C11_5
/* The names above have to be replaced before read_sysreg makes a string of them. */
#define READ(name) read_sysreg(name)
#define WRITE(name, value) write_sysreg(name, value)

static volatile uint32_t *reg(uint64_t base, uint64_t offset)
{
    return (volatile uint32_t *)(base + offset);
}

void gic_init_distributor(void)
{
    *reg(GICD, GICD_CTLR) = GICD_CTLR_ARE_GRP1;
}

void gic_init_core(unsigned pcpu)
{
    uint64_t sgi = GICR(pcpu) + SGI_FRAME;

    *reg(GICR(pcpu), GICR_WAKER) &= ~WAKER_PROCESSOR_SLEEP;
    while (*reg(GICR(pcpu), GICR_WAKER) & WAKER_CHILDREN_ASLEEP)
        ;
    *reg(sgi, GICR_IGROUPR0) = ~0u;
    *reg(sgi, GICR_ISENABLER0) = 1u << INTID_KICK | 1u << INTID_EL2_TIMER | 1u << INTID_VIRTUAL_TIMER;
    WRITE(ICC_SRE_EL2, READ(ICC_SRE_EL2) | 1);
    isb();
    WRITE(ICC_PMR_EL1, 0xff);
    WRITE(ICC_IGRPEN1_EL1, 1);
    isb();
}

/* The pending interrupt of highest priority, now active; INTID_NONE and above: none. */
uint32_t gic_take(void)
{
    uint32_t intid = READ(ICC_IAR1_EL1) & 0xffffff;

    dsb();
    return intid;
}

void gic_end(uint32_t intid)
{
    WRITE(ICC_EOIR1_EL1, intid);
    isb();
}

/* Sends INTID_KICK to another core. */
void gic_kick(unsigned pcpu)
{
    dsb();
    WRITE(ICC_SGI1R_EL1, (uint64_t)INTID_KICK << 24 | 1u << pcpu);
    isb();
}
