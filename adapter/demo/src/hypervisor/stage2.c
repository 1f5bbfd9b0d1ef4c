/* Stage 2: where a VM's RAM really lies. Both VMs have the same IPA range, and each gets it in its own way:
 * slot 0 by one 2 MiB block, slot 1 by 4 KiB pages shuffled over its memory, so that nothing is contiguous. */
#include "arch.h"
#include "hv.h"

#define RAM_IPA 0x40000000ull
#define RAM_PA(slot) (0x42000000ull + (slot) * (2 * BLOCK_SIZE))
#define PAGES 256u                                     /* 1 MiB for the VM with shuffled pages */
#define SHUFFLED(page) (((page) * 37u + 11u) % PAGES) /* 37 is odd: a permutation */

/* MemAttr normal write-back (D8.6.6), S2AP read and write. */
#define S2_NORMAL (0xfull << 2 | 3ull << 6 | DESC_INNER_SHAREABLE | DESC_AF)

static __attribute__((aligned(4096))) uint64_t root[VMS][512], level2[VMS][512], level3[512];

void stage2_build(struct vm *vm, unsigned slot)
{
    root[slot][RAM_IPA >> 30] = virtual_to_physical(level2[slot]) | DESC_TABLE;
    if (slot == 0) {
        level2[slot][0] = RAM_PA(slot) | S2_NORMAL | DESC_BLOCK;
    } else {
        for (unsigned i = 0; i < PAGES; i++)
            level3[i] = (RAM_PA(slot) + SHUFFLED(i) * PAGE_SIZE) | S2_NORMAL | DESC_PAGE;
        level2[slot][0] = virtual_to_physical(level3) | DESC_TABLE;
    }
    vm->vttbr = (uint64_t)vm->vmid << 48 | virtual_to_physical(root[slot]);
    dsb();
}

/* The physical address of an IPA of the VM, 0 when it has none. RAM is mapped at its physical address in EL2. */
uint64_t stage2_lookup(const struct vm *vm, uint64_t ipa)
{
    const uint64_t address = 0x0000fffffffff000ull;
    const uint64_t *entries = (const uint64_t *)(vm->vttbr & address);

    for (unsigned shift = 30;; shift -= 9) {
        uint64_t entry = entries[ipa >> shift & 511];
        uint64_t offset = ipa & ((1ull << shift) - 1);

        if (!(entry & 1))
            return 0;
        if (shift == 12 || !(entry & 2))
            return (entry & address) + offset;
        entries = (const uint64_t *)(entry & address);
    }
}
