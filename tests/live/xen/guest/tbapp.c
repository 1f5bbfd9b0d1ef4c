/*
 * The test target's user program, the same file in every guest, so at the same
 * addresses: threads that compute, a reader of /sys/hypervisor, a driver client.
 * Arguments: name=NAME period=MILLISECONDS workers=N quiet
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_WORKERS 4

struct sample {
    unsigned seq;
    int major;
    unsigned long sum;
    char text[32];
};

volatile struct sample last_sample;
volatile unsigned long worker_ticks[MAX_WORKERS];
static const char *guest_name = "?";

__attribute__((noinline)) static unsigned long mix(unsigned long a, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++)
        a = (a ^ (a >> 7)) * 0x9e3779b97f4a7c15ul + i; /* the hot line */
    return a;
}

__attribute__((noinline)) static int read_major(char *text, size_t size)
{
    int file = open("/sys/hypervisor/version/major", O_RDONLY);
    if (file < 0)
        return -errno;
    ssize_t got = read(file, text, size - 1);
    int error = errno;
    close(file);
    if (got < 0)
        return -error;
    text[got] = 0;
    return atoi(text);
}

__attribute__((noinline)) static int poke_driver(const struct sample *sample)
{
    int file = open("/dev/tbdrv", O_WRONLY);
    if (file < 0)
        return -errno;
    ssize_t put = write(file, sample, sizeof *sample);
    int error = errno;
    close(file);
    return put < 0 ? -error : (int)put;
}

static void *worker(void *argument)
{
    long id = (long)argument;
    for (;;) {
        worker_ticks[id] += mix(worker_ticks[id] + id, 20000) != 0;
        usleep(id ? 3000 : 1000);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned period_ms = 1000, workers = 0, quiet = 0;
    for (int i = 1; i < argc; i++) {
        if (!strncmp(argv[i], "name=", 5))
            guest_name = argv[i] + 5;
        else if (!strncmp(argv[i], "period=", 7))
            period_ms = atoi(argv[i] + 7);
        else if (!strncmp(argv[i], "workers=", 8))
            workers = atoi(argv[i] + 8);
        else if (!strcmp(argv[i], "quiet"))
            quiet = 1;
    }
    for (long id = 0; id < (long)workers && id < MAX_WORKERS; id++) {
        pthread_t thread;
        pthread_create(&thread, NULL, worker, (void *)id);
    }
    struct sample sample;
    memset(&sample, 0, sizeof sample);
    for (;;) {
        sample.seq++;
        sample.major = read_major(sample.text, sizeof sample.text);
        sample.sum = mix(sample.sum + sample.seq, 1000);
        memcpy((void *)&last_sample, &sample, sizeof sample);
        int taken = poke_driver(&sample);
        if (!quiet) {
            printf("tbapp[%s] seq=%u major=%d driver=%d sum=%016lx\n", guest_name, sample.seq,
                   sample.major, taken, sample.sum);
            fflush(stdout);
        }
        usleep(period_ms * 1000);
    }
}
