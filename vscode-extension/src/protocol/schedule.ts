// Written by scripts/schemas.mjs from schemas/schedule.schema.json.

/**
 * Body of `hvdap/schedule`. Times are ticks of the counter.
 *
 * Numbers in the flat arrays: `state` is 0 running, 1 runnable, 2 blocked (a core: idle), 3 offline, 4 in the hypervisor, 5 lost,
 * 6 unknown. Bit n of `flags` says that state n occurs; 7 woken, 8 preempted, 9 migrated, 10 deadline missed, 11 contradicted,
 * 12 unreadable. `cause` is 0 not known, 1 woken, 2 preempted, 3 yielded, 4 waits, 5 put to sleep. 65535 stands for nobody.
 */
export interface Schedule {
  /**
   * The first tick of the timeline.
   */
  first: number;
  /**
   * Ticks a second.
   */
  frequency: number;
  /**
   * The first tick of this window.
   */
  from: number;
  /**
   * The lanes asked for, in their order.
   */
  lanes: Lane[];
  /**
   * The first tick beyond it.
   */
  to: number;
  /**
   * Up to which tick it is known.
   */
  until: number;
  /**
   * How many cells a lane may have.
   */
  width: number;
}
/**
 * One lane.
 */
export interface Lane {
  /**
   * Nine numbers for each cell: flags, the other side that had most of it, and of 65535 the share of each state.
   */
  cells?: number[];
  /**
   * Two numbers for each cell, where there are more marks than cells: how many, and bit n for kind n.
   */
  counts?: number[];
  /**
   * Where the last span ends.
   */
  end?: number;
  /**
   * The hypervisor's number of the VM.
   */
  guest?: number;
  /**
   * The number of the core, of the vCPU in its VM, or of the task.
   */
  index?: number;
  /**
   * Whose it is.
   */
  kind: 'machine' | 'pcpu' | 'vcpu' | 'task' | 'others';
  /**
   * Its number, by which it is asked for again.
   */
  lane: number;
  /**
   * Four numbers for each mark: time, kind, value, the lane of whoever caused it. Kinds: 0 wake, 1 hypercall, 2 inject, 3 deadline
   * missed, 4 migrate, 5 credit, 6 exit, 7 guest interrupt, 8 system call, 9 request sent, 10 request done, 11 lost, 12 unreadable,
   * 13 guest added, 14 guest removed, 15 frequency, 16 halted, 17 resumed, 18 user.
   */
  marks?: number[];
  /**
   * `pCPU 0`, `DomU/1`.
   */
  name: string;
  /**
   * In place of `cells`: base64 of the nine numbers of each, 2 bytes each.
   */
  packedCells?: string;
  /**
   * In place of `counts`: base64 of the two numbers of each cell, 4 bytes each.
   */
  packedCounts?: string;
  /**
   * In place of `marks`: base64 of 24 bytes for each: time (8), value (8), kind (2), the lane of whoever caused it (2), nothing (4).
   */
  packedMarks?: string;
  /**
   * In place of `spans` where `packed` was asked for: base64 of 16 bytes for each, little-endian: start (8), state (1), cause (1),
   * the other side (2), flags (2), nothing (2).
   */
  packedSpans?: string;
  /**
   * Five numbers for each span: start, state, the other side (a vCPU's core, the lane of a core's vCPU), cause, flags. Each ends
   * where the next begins.
   */
  spans?: number[];
}
