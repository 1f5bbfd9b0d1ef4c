/* The two functions the compiler calls by itself (for structure assignment and initialisation). */
#include <stddef.h>

void *memset(void *to, int value, size_t size);
void *memcpy(void *restrict to, const void *restrict from, size_t size);

void *memset(void *to, int value, size_t size)
{
    char *byte = to;

    while (size--)
        *byte++ = (char)value;
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    char *byte = to;
    const char *source = from;

    while (size--)
        *byte++ = *source++;
    return to;
}
