/* Courier: parcels go round a small town, one state machine on one vCPU. */
#ifndef COURIER_H
#define COURIER_H

#include <stdbool.h>
#include <stdint.h>

enum place { DEPOT, STATION, MARKET, HARBOUR, MILL, CASTLE };
#define PLACES 6

enum phase { PHASE_LOAD, PHASE_SORT, PHASE_DRIVE, PHASE_REST };

struct parcel {
    uint16_t number;
    enum place to;
    struct {
        uint8_t fragile : 1;
        uint8_t express : 1;
        uint8_t tries : 3;
    } marks;
    union content {
        uint32_t grams; /* goods */
        char letter[4]; /* letters are short */
    } content;
    struct parcel *next; /* in the van, in order of delivery */
};

#define VAN_ROOM 8
struct route {
    enum place stops[PLACES];
    uint32_t length;
    uint32_t cost;
};

struct courier {
    enum phase phase;
    enum place at;
    struct parcel parcels[VAN_ROOM];
    struct parcel *van;
    struct route route;
    uint64_t delivered, driven;
    uint64_t last_delivery; /* in ticks of the hypervisor */
};

struct status {
    uint64_t days;
    enum phase phase;
    char note[16];
};
extern struct status status;
extern struct courier courier;

/* parcel.c */
void parcel_deliver(struct courier *by, struct parcel *parcel);
void parcels_load(struct courier *by, uint32_t day);
void parcels_sort(struct courier *by);

/* route.c */
bool route_find(struct route *route, enum place from, enum place to);

/* rounds.c */
enum phase courier_step(struct courier *self);

#endif
