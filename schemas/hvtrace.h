/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * hvtrace: who runs when, written by the hypervisor itself and read by a debugger. See hvtrace.md.
 *
 * In one C file:           HVTRACE_DEFINE;
 * Once, at boot:           hvtrace_init(CNTFRQ_EL0, physical minus virtual address of the data);
 * Where things happen:     hvtrace_switch(core, ...), hvtrace_exit(core, ...), ...
 *
 * C99, no dependency beside <stdint.h>. Each core writes only its own ring, with interrupts masked for a few instructions.
 * Before including, HVTRACE_CORES and HVTRACE_RECORDS may be defined, the same in all files.
 */
#ifndef HVTRACE_H
#define HVTRACE_H

#include <stdint.h>

/* Cores that may write: 1 to 1024. */
#ifndef HVTRACE_CORES
#define HVTRACE_CORES 8
#endif

/* Records of 32 bytes in each core's ring: a power of two, up to 2^24. */
#ifndef HVTRACE_RECORDS
#define HVTRACE_RECORDS 4096
#endif

#define HVTRACE_VERSION 1
/* The guest that idle cores run; its vCPU n is core n. */
#define HVTRACE_IDLE 0x7fff

/* Another machine, compiler or exception level defines these four before including. */
#ifndef HVTRACE_TIME
#if !defined(__aarch64__) || !defined(__GNUC__)
#error "define HVTRACE_TIME, HVTRACE_ENTER, HVTRACE_LEAVE and HVTRACE_PUBLISH"
#endif
/* The physical counter, read where the program stands and not before. */
static inline uint64_t hvtrace_time(void)
{
    uint64_t time;
    __asm__ volatile("isb\n\tmrs %0, cntpct_el0" : "=r"(time) : : "memory");
    return time;
}
/* SError, IRQ and FIQ wait until the record is whole. */
static inline uint64_t hvtrace_mask(void)
{
    uint64_t daif;
    __asm__ volatile("mrs %0, daif\n\tmsr daifset, #7" : "=r"(daif) : : "memory");
    return daif;
}
#define HVTRACE_TIME() hvtrace_time()
#define HVTRACE_ENTER(state) uint64_t state = hvtrace_mask()
#define HVTRACE_LEAVE(state) __asm__ volatile("msr daif, %0" : : "r"(state) : "memory")
/* What was written before is seen before what is written after. */
#define HVTRACE_PUBLISH() __asm__ volatile("dmb ishst" : : : "memory")
#endif

#if defined(__GNUC__)
#define HVTRACE_RARE __attribute__((noinline, cold, unused))
#define HVTRACE_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
/* Keeps the compiler from adding up offsets in longer ways than from this pointer. */
#define HVTRACE_BASE(pointer) __asm__("" : "+r"(pointer))
#else
#define HVTRACE_RARE
#define HVTRACE_UNLIKELY(condition) (condition)
#define HVTRACE_BASE(pointer) (void)0
#endif

enum hvtrace_kind {
    HVTRACE_LOST = 0,          /* records, low and high half of the time of the first */
    HVTRACE_SWITCH = 1,        /* guest and vCPU that ran, guest and vCPU that runs */
    HVTRACE_RUN_STATE = 2,     /* guest, vCPU, run state before, run state now */
    HVTRACE_ENTER_GUEST = 3,   /* guest, vCPU */
    HVTRACE_EXIT_GUEST = 4,    /* guest, vCPU, low half of ESR_EL2, or 0 for an interrupt */
    HVTRACE_HYPERCALL = 5,     /* guest, vCPU, number */
    HVTRACE_INJECT = 6,        /* guest, vCPU, INTID */
    HVTRACE_GUEST_ADDED = 7,   /* guest */
    HVTRACE_GUEST_REMOVED = 8, /* guest */
    HVTRACE_MARK = 9,          /* which, anything */
    HVTRACE_WAKE = 10          /* guest, vCPU */
};

enum hvtrace_run_state {
    HVTRACE_RUNNING = 0,
    HVTRACE_RUNNABLE = 1,
    HVTRACE_BLOCKED = 2,
    HVTRACE_OFFLINE = 3
};

struct hvtrace_record {
    uint64_t time;
    uint32_t kind; /* in the high half: the low bits of how many the core has written before */
    uint32_t words[5]; /* the last is reserved */
};

struct hvtrace_ring {
    volatile uint32_t produced; /* records written, modulo 2^32; by the core */
    volatile uint32_t consumed; /* records taken, modulo 2^32; by the reader */
    volatile uint32_t dropped;  /* records not written for want of room, and not told yet */
    uint32_t reserved;
    volatile uint64_t dropped_since;
    uint8_t padding[40];        /* cores do not share cache lines */
    struct hvtrace_record records[HVTRACE_RECORDS];
};

struct hvtrace_root {
    uint8_t magic[8];
    uint32_t version;
    uint32_t record_bytes;
    uint64_t frequency; /* of the counter, in Hz; 0 until hvtrace_init */
    uint32_t cores;
    uint32_t capacity;  /* records in each ring */
    uint64_t rings;     /* physical address of core 0's ring; the next core's follow */
    volatile uint32_t enabled; /* bit k lets records of kind k through; by the reader */
    uint32_t reserved;
};

extern struct hvtrace_root hvtrace_root;
extern struct hvtrace_ring hvtrace_rings[HVTRACE_CORES];

#define HVTRACE_DEFINE                                                         \
    struct hvtrace_ring hvtrace_rings[HVTRACE_CORES];                          \
    struct hvtrace_root hvtrace_root = {                                       \
        { 'H', 'V', 'T', 'R', 'A', 'C', 'E', 0 }, HVTRACE_VERSION,             \
        sizeof(struct hvtrace_record), 0, HVTRACE_CORES, HVTRACE_RECORDS, 0,   \
        0xffffffffu, 0                                                         \
    }

/* Says how fast the counter is and where the rings lie: physical = virtual + offset, modulo 2^64. */
static inline void hvtrace_init(uint64_t frequency, uint64_t offset)
{
    hvtrace_root.rings = (uint64_t)(uintptr_t)hvtrace_rings + offset;
    HVTRACE_PUBLISH();
    hvtrace_root.frequency = frequency;
}

/* Fills the next record and only then counts it. */
static inline void hvtrace_write(struct hvtrace_ring *ring, uint32_t produced, uint64_t time,
                                 uint32_t kind, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    struct hvtrace_record *record = &ring->records[produced & (HVTRACE_RECORDS - 1u)];

    record->time = time;
    record->kind = kind | produced << 16;
    record->words[0] = a;
    record->words[1] = b;
    record->words[2] = c;
    record->words[3] = d;
    HVTRACE_PUBLISH();
    ring->produced = produced + 1u;
}

/* The ring is full, or was: the newest records are dropped and counted until there is room for two, the first of which tells. */
static HVTRACE_RARE void hvtrace_rare(struct hvtrace_ring *ring, uint64_t state, uint64_t time,
                                      uint32_t kind, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    uint32_t produced = ring->produced;
    uint64_t since = ring->dropped_since;

    if (produced - ring->consumed <= HVTRACE_RECORDS - 2u) {
        hvtrace_write(ring, produced, time, HVTRACE_LOST, ring->dropped,
                      (uint32_t)since, (uint32_t)(since >> 32), 0);
        ring->dropped = 0;
        hvtrace_write(ring, produced + 1u, time, kind, a, b, c, d);
    } else {
        if (ring->dropped == 0)
            ring->dropped_since = time;
        if (ring->dropped != 0xffffffffu)
            ring->dropped++;
    }
    HVTRACE_LEAVE(state);
    (void)state;
}

/* With exceptions masked, which ends here. */
static inline void hvtrace_one(struct hvtrace_ring *ring, uint64_t state, uint64_t time,
                               uint32_t kind, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    uint32_t produced = ring->produced;

    if (HVTRACE_UNLIKELY(ring->dropped || produced - ring->consumed >= HVTRACE_RECORDS)) {
        hvtrace_rare(ring, state, time, kind, a, b, c, d);
        return;
    }
    hvtrace_write(ring, produced, time, kind, a, b, c, d);
    HVTRACE_LEAVE(state);
}

static inline void hvtrace_put(uint32_t core, uint32_t kind,
                               uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    if (core < HVTRACE_CORES && (hvtrace_root.enabled >> kind & 1u)) {
        HVTRACE_ENTER(state);
        struct hvtrace_ring *ring = &hvtrace_rings[core];
        HVTRACE_BASE(ring);
        hvtrace_one(ring, state, HVTRACE_TIME(), kind, a, b, c, d);
    }
}

static inline void hvtrace_put_at(uint32_t core, uint64_t time, uint32_t kind,
                                  uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    if (core < HVTRACE_CORES && (hvtrace_root.enabled >> kind & 1u)) {
        HVTRACE_ENTER(state);
        struct hvtrace_ring *ring = &hvtrace_rings[core];
        HVTRACE_BASE(ring);
        hvtrace_one(ring, state, time, kind, a, b, c, d);
    }
}

/* The core goes from one vCPU to another. */
static inline void hvtrace_switch(uint32_t core, uint32_t from_guest, uint32_t from_vcpu,
                                  uint32_t to_guest, uint32_t to_vcpu)
{
    hvtrace_put(core, HVTRACE_SWITCH, from_guest, from_vcpu, to_guest, to_vcpu);
}

/* The scheduler sees a vCPU otherwise than before; on any core. */
static inline void hvtrace_run_state(uint32_t core, uint32_t guest, uint32_t vcpu,
                                     enum hvtrace_run_state from, enum hvtrace_run_state to)
{
    hvtrace_put(core, HVTRACE_RUN_STATE, guest, vcpu, (uint32_t)from, (uint32_t)to);
}

/* The same at a time that the hypervisor has read for its own account: not before the core's last record. */
static inline void hvtrace_run_state_at(uint32_t core, uint64_t time, uint32_t guest, uint32_t vcpu,
                                        enum hvtrace_run_state from, enum hvtrace_run_state to)
{
    hvtrace_put_at(core, time, HVTRACE_RUN_STATE, guest, vcpu, (uint32_t)from, (uint32_t)to);
}

/* Something that ran on this core woke a vCPU. */
static inline void hvtrace_wake(uint32_t core, uint32_t guest, uint32_t vcpu)
{
    hvtrace_put(core, HVTRACE_WAKE, guest, vcpu, 0, 0);
}

/* Last thing before ERET to the guest. */
static inline void hvtrace_enter(uint32_t core, uint32_t guest, uint32_t vcpu)
{
    hvtrace_put(core, HVTRACE_ENTER_GUEST, guest, vcpu, 0, 0);
}

/* First thing after an exception from the guest; 0 in place of ESR_EL2 for an interrupt. */
static inline void hvtrace_exit(uint32_t core, uint32_t guest, uint32_t vcpu, uint64_t esr)
{
    hvtrace_put(core, HVTRACE_EXIT_GUEST, guest, vcpu, (uint32_t)esr, 0);
}

/* The guest called, with this number of the hypervisor's own. */
static inline void hvtrace_hypercall(uint32_t core, uint32_t guest, uint32_t vcpu, uint32_t number)
{
    hvtrace_put(core, HVTRACE_HYPERCALL, guest, vcpu, number, 0);
}

/* An interrupt becomes pending for a vCPU. */
static inline void hvtrace_inject(uint32_t core, uint32_t guest, uint32_t vcpu, uint32_t intid)
{
    hvtrace_put(core, HVTRACE_INJECT, guest, vcpu, intid, 0);
}

static inline void hvtrace_guest_added(uint32_t core, uint32_t guest)
{
    hvtrace_put(core, HVTRACE_GUEST_ADDED, guest, 0, 0, 0);
}

static inline void hvtrace_guest_removed(uint32_t core, uint32_t guest)
{
    hvtrace_put(core, HVTRACE_GUEST_REMOVED, guest, 0, 0, 0);
}

/* Anything you want to see on the timeline. */
static inline void hvtrace_mark(uint32_t core, uint32_t id, uint32_t value)
{
    hvtrace_put(core, HVTRACE_MARK, id, value, 0, 0);
}

#endif
