/* The town: the cheapest way between two places, by trying all. */
#include "courier.h"

#define NO_ROAD 0

static const uint8_t roads[PLACES][PLACES] = {
    [DEPOT] = { [STATION] = 4, [MARKET] = 2, [MILL] = 9 },
    [STATION] = { [DEPOT] = 4, [HARBOUR] = 5, [CASTLE] = 12 },
    [MARKET] = { [DEPOT] = 2, [HARBOUR] = 8, [MILL] = 3 },
    [HARBOUR] = { [STATION] = 5, [MARKET] = 8, [CASTLE] = 6 },
    [MILL] = { [DEPOT] = 9, [MARKET] = 3, [CASTLE] = 7 },
    [CASTLE] = { [STATION] = 12, [HARBOUR] = 6, [MILL] = 7 },
};

static void explore(struct route *best, struct route *tried, enum place at, enum place to, uint32_t visited)
{
    tried->stops[tried->length++] = at;
    if (at == to) {
        if (!best->length || tried->cost < best->cost)
            *best = *tried;
    } else {
        for (enum place next = DEPOT; next < PLACES; next++) {
            uint32_t cost = roads[at][next];

            if (cost == NO_ROAD || visited & 1u << next)
                continue;
            tried->cost += cost;
            explore(best, tried, next, to, visited | 1u << next);
            tried->cost -= cost;
        }
    }
    tried->length--;
}

bool route_find(struct route *route, enum place from, enum place to)
{
    struct route tried = { 0 };

    *route = (struct route){ 0 };
    explore(route, &tried, from, to, 1u << from);
    return route->length != 0;
}
