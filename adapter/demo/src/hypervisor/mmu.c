/* EL2's own stage-1 tables: this image at its linked address by pages, RAM and devices at their physical address by
 * 2 MiB blocks. Runs before the MMU is on, so addresses of objects are physical here. */
#include "arch.h"
#include "hv.h"

#define ATTR_DEVICE (1ull << 2) /* index 1 of MAIR_EL2 */
#define READ_ONLY (1ull << 7)
#define EXECUTE_NEVER (1ull << 54)
#define RES1_AP1 (1ull << 6)
#define NORMAL (DESC_AF | DESC_INNER_SHAREABLE | RES1_AP1)
#define DEVICE (DESC_AF | ATTR_DEVICE | RES1_AP1 | EXECUTE_NEVER)

#define LINKED 0x2000200000ull
#define RAM 0x40000000ull
#define RAM_BLOCKS 32
#define GIC_BLOCK 0x08000000ull
#define UART_BLOCK 0x09000000ull

#define TABLE __attribute__((aligned(4096))) uint64_t
TABLE el2_root[512];
static TABLE image_level2[512], image_level3[512], ram_level2[512], device_level2[512];
extern char _start[], text_end[], image_end[];

static uint64_t table(const uint64_t *next)
{
    return (uint64_t)next | DESC_TABLE;
}

void el2_tables_build(void);
void el2_tables_build(void)
{
    uint64_t base = (uint64_t)_start, text = (uint64_t)text_end, end = (uint64_t)image_end;

    for (uint64_t page = base; page < end; page += PAGE_SIZE)
        image_level3[page / PAGE_SIZE % 512] =
            page | NORMAL | DESC_PAGE | (page < text ? READ_ONLY : EXECUTE_NEVER);
    for (unsigned i = 0; i < RAM_BLOCKS; i++)
        ram_level2[i] = (RAM + i * BLOCK_SIZE) | NORMAL | DESC_BLOCK;
    device_level2[GIC_BLOCK / BLOCK_SIZE] = GIC_BLOCK | DEVICE | DESC_BLOCK;
    device_level2[UART_BLOCK / BLOCK_SIZE] = UART_BLOCK | DEVICE | DESC_BLOCK;

    image_level2[LINKED / BLOCK_SIZE % 512] = table(image_level3);
    el2_root[LINKED >> 30] = table(image_level2);
    el2_root[RAM >> 30] = table(ram_level2);
    el2_root[0] = table(device_level2);
    dsb();
}
