/* What the hypervisor tells a debugger about scheduling, by hvtrace (schemas/hvtrace.h). A guest is its index in `vms`. */
#ifndef TRACE_H
#define TRACE_H

#include "hv.h"

#define HVTRACE_CORES PCPUS
#define HVTRACE_RECORDS 1024
#include <hvtrace.h>

static inline uint32_t trace_guest(const struct vcpu *vcpu)
{
    return vcpu->vm ? (uint32_t)(vcpu->vm - vms) : HVTRACE_IDLE;
}

/* hvtrace counts run states the other way round. */
static inline enum hvtrace_run_state trace_state(enum run_state state)
{
    return (enum hvtrace_run_state)(VCPU_RUNNING - state);
}

#endif
