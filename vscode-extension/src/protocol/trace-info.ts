// Written by scripts/schemas.mjs from schemas/trace-info.schema.json.

/**
 * Output of `hvdap trace info --json`.
 */
export interface TraceInfo {
  /**
   * Records that contradict the one before, with nothing lost in between.
   */
  contradictions: number;
  /**
   * How long the trace is, in nanoseconds, where the frequency is known.
   */
  durationNs?: number;
  /**
   * The file.
   */
  file: string;
  /**
   * The first tick.
   */
  firstTicks: number;
  /**
   * Ticks a second, where known.
   */
  frequency?: number;
  /**
   * How many such stretches there are; `gaps` has the first of each core.
   */
  gapCount: number;
  /**
   * Stretches in which a core is not known to have done anything.
   */
  gaps: Gap[];
  /**
   * Guests' own traces joined with this one.
   */
  guests: Joined[];
  /**
   * `xentrace`, `hvtrace` (recorded by `hvdap trace record`) or `trace.dat`.
   */
  kind: string;
  /**
   * Records the source dropped for want of room.
   */
  lost: number;
  /**
   * Physical cores, by number.
   */
  pcpus: number[];
  /**
   * How many records there are of each class.
   */
  records: {
    [k: string]: number | undefined;
  };
  /**
   * Bytes passed over, by reason.
   */
  unreadable: {
    [k: string]: Unreadable | undefined;
  };
  /**
   * The first tick beyond the last record.
   */
  untilTicks: number;
  /**
   * Virtual machines.
   */
  vms: Vm[];
  /**
   * Records about vCPUs and tasks beyond the most that are kept apart.
   */
  withoutLane: number;
}
/**
 * A stretch without records of a core.
 */
export interface Gap {
  /**
   * Its first tick.
   */
  fromTicks: number;
  /**
   * The core.
   */
  pcpu: number;
  /**
   * Records lost in it, where the source counts them.
   */
  records?: number;
  /**
   * `lost` or `unknown`.
   */
  state: string;
  /**
   * The first tick beyond.
   */
  toTicks: number;
}
/**
 * How well a guest's own trace lies on the machine's clock.
 */
export interface Joined {
  /**
   * The guest.
   */
  guest: number;
  /**
   * Moments that both traces know.
   */
  pairs: number;
  /**
   * The largest, in ticks.
   */
  residualMaxTicks: number;
  /**
   * Their mean distance (root of the mean square), in ticks.
   */
  residualRmsTicks: number;
}
/**
 * Bytes that make no sense.
 */
export interface Unreadable {
  /**
   * How many bytes.
   */
  bytes: number;
  /**
   * How often.
   */
  times: number;
}
/**
 * A virtual machine.
 */
export interface Vm {
  /**
   * The hypervisor's number.
   */
  guest: number;
  /**
   * Its name.
   */
  name: string;
  /**
   * How many tasks of it were seen.
   */
  tasks: number;
  /**
   * Its vCPUs, by number.
   */
  vcpus: number[];
}
