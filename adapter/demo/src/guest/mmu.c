/* A guest's own stage-1 tables: TTBR1 has this image at its linked address by pages, TTBR0 has RAM and the sensor board
 * at their IPA by blocks. Runs before the MMU is on, so addresses of objects are IPAs here. */
#include <stdint.h>

#include "../hypercall.h"

#define PAGE_SIZE 4096ull
#define BLOCK_SIZE (2ull << 20)
#define GIB (1ull << 30)

/* Stage-1 descriptors (Arm ARM D8.3). */
#define TABLE_DESC 3ull
#define PAGE_DESC 3ull
#define BLOCK_DESC 1ull
#define NORMAL (1ull << 10 | 3ull << 8) /* AF, inner shareable, attribute 0 */
#define DEVICE (1ull << 10 | 1ull << 2) /* AF, attribute 1 */
#define READ_ONLY (1ull << 7)
#define EXECUTE_NEVER (3ull << 53)

#define LINKED 0xffffffc000080000ull /* guest.lds */
#define RAM_IPA 0x40000000ull

#define TABLE __attribute__((aligned(4096))) uint64_t
TABLE ttbr0_table[512], ttbr1_table[512];
static TABLE low_level2[512], image_level2[512], image_level3[512];
extern char _start[], text_end[], image_end[];

void tables_build(void);
void tables_build(void)
{
    uint64_t base = (uint64_t)_start, text = (uint64_t)text_end, end = (uint64_t)image_end;

    for (uint64_t page = base; page < end; page += PAGE_SIZE)
        image_level3[page / PAGE_SIZE % 512] = page | NORMAL | PAGE_DESC | (page < text ? READ_ONLY : EXECUTE_NEVER);
    image_level2[LINKED / BLOCK_SIZE % 512] = (uint64_t)image_level3 | TABLE_DESC;
    ttbr1_table[LINKED / GIB % 512] = (uint64_t)image_level2 | TABLE_DESC;

    low_level2[SENSOR_IPA / BLOCK_SIZE] = SENSOR_IPA | DEVICE | BLOCK_DESC | EXECUTE_NEVER;
    ttbr0_table[0] = (uint64_t)low_level2 | TABLE_DESC;
    ttbr0_table[RAM_IPA / GIB] = RAM_IPA | NORMAL | BLOCK_DESC;
    __asm__ volatile("dsb ish" ::: "memory");
}
