/* The serial line (PL011): whole lines, each with the name of who wrote it. */
#include "arch.h"
#include "hv.h"

#define UART 0x09000000ull
#define UART_DR (*(volatile uint32_t *)UART)
#define UART_FR (*(volatile uint32_t *)(UART + 0x18))
#define UART_CR (*(volatile uint32_t *)(UART + 0x30))
#define FR_TXFF (1u << 5)
#define CR_ON 0x101u /* UART and transmitter */

static struct spinlock console_lock;

static void put(char c)
{
    while (UART_FR & FR_TXFF)
        ;
    UART_DR = (uint8_t)c;
}

void console_init(void)
{
    UART_CR = CR_ON;
}

static void puts_raw(const char *text)
{
    while (*text)
        put(*text++);
}

void console_line(const char *name, const char *text)
{
    spin_lock(&console_lock);
    put('[');
    puts_raw(name);
    puts_raw("] ");
    puts_raw(text);
    puts_raw("\r\n");
    spin_unlock(&console_lock);
}

/* Collects a guest's characters until its line is whole. */
void console_put(struct vm *vm, char c)
{
    if (c != '\n' && vm->line_length < sizeof vm->line - 1) {
        vm->line[vm->line_length++] = c;
        return;
    }
    vm->line[vm->line_length] = 0;
    vm->line_length = 0;
    console_line(vm->name, vm->line);
}

void panic(const char *why, uint64_t detail)
{
    char digits[17];

    for (int i = 15; i >= 0; i--, detail >>= 4)
        digits[i] = "0123456789abcdef"[detail & 15];
    digits[16] = 0;
    console_line("hvdemo panic", why);
    console_line("hvdemo panic", digits);
    for (;;)
        wfi();
}
