/** What the numbers of `hvdap/schedule` stand for (see `schemas/schedule.schema.json`). */

export const RUNNING = 0;
export const RUNNABLE = 1;
export const BLOCKED = 2;
export const OFFLINE = 3;
export const HYPERVISOR = 4;
export const LOST = 5;
export const UNKNOWN = 6;
/** How many states there are. */
export const STATES = 7;
/** Nobody. */
export const NOBODY = 65535;

/** Bits of a cell's and a span's flags beyond those of the states. */
export const MIGRATED = 1 << 9;
export const DEADLINE_MISSED = 1 << 10;
export const CONTRADICTED = 1 << 11;
export const UNREADABLE = 1 << 12;

/** What is never known of a lane in these. */
export const NOT_KNOWN = (1 << LOST) | (1 << UNKNOWN) | CONTRADICTED | UNREADABLE;

/** The kinds of marks, by number. */
export const MARKS = [
  'wake',
  'hypercall',
  'interrupt injected',
  'deadline missed',
  'migrated',
  'credit',
  'exit to the hypervisor',
  'guest interrupt',
  'system call',
  'request sent',
  'request done',
  'records lost',
  'bytes unreadable',
  'VM created',
  'VM destroyed',
  'core frequency',
  'halted by the debugger',
  'resumed by the debugger',
  'mark',
] as const;

/** Marks that say that something went wrong: bits by kind. */
export const ALARMING = (1 << 3) | (1 << 11) | (1 << 12);
/** Marks of the debugger and of people: bits by kind. */
export const NOTED = (1 << 13) | (1 << 14) | (1 << 16) | (1 << 17) | (1 << 18);

const VCPU_STATES = ['running', 'waiting for a core', 'blocked', 'offline', 'in the hypervisor', 'records lost', 'not known'];
const PCPU_STATES = ['running', 'waiting', 'idle', 'offline', 'in the hypervisor', 'records lost', 'not known'];
const CAUSES = ['', 'woken', 'preempted', 'yielded', 'waits for an event', 'put to sleep'];

/** A state in words. */
export function stateName(state: number, kind: string): string {
  return (kind === 'pcpu' ? PCPU_STATES : VCPU_STATES)[state] ?? 'not known';
}

/** Why a span began, in words; empty where nobody knows. */
export function causeName(cause: number): string {
  return CAUSES[cause] ?? '';
}

/** What else is to be said of a span. */
export function flagNames(flags: number): string[] {
  const all: [number, string][] = [
    [MIGRATED, 'on another core than before'],
    [DEADLINE_MISSED, 'missed a deadline'],
    [CONTRADICTED, 'the next record contradicts it'],
    [UNREADABLE, 'bytes of the trace could not be read'],
  ];
  return all.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name);
}
