// Written by scripts/schemas.mjs from schemas/trace-why.schema.json.

/**
 * Output of `hvdap trace why --json`.
 */
export interface TraceWhy {
  /**
   * The moment, in nanoseconds since the start of the trace.
   */
  atNs: number;
  /**
   * The moment, in ticks.
   */
  atTicks: number;
  /**
   * Who had the core that it waited for, the longest first.
   */
  core: Occupant[];
  /**
   * Its credit or budget then, where the trace tells.
   */
  credit?: number;
  /**
   * The debugger held the machine then.
   */
  halted: boolean;
  /**
   * Which core that is.
   */
  pcpu?: number;
  /**
   * The answer in one sentence.
   */
  sentence: string;
  /**
   * What it did then, what it had done before, and what it did next.
   */
  spans: Span[];
  /**
   * The vCPU.
   */
  vcpu: string;
}
/**
 * Who had a core, and how long.
 */
export interface Occupant {
  /**
   * Nanoseconds within the wait.
   */
  durationNs: number;
  /**
   * In so many runs.
   */
  runs: number;
  /**
   * A vCPU, or what the core did without one.
   */
  who: string;
}
/**
 * A stretch of time.
 */
export interface Span {
  /**
   * Who caused it, where known.
   */
  by?: string;
  /**
   * Why it began, where known.
   */
  cause?: string;
  /**
   * How long, in nanoseconds.
   */
  durationNs: number;
  /**
   * Nanoseconds since the start of the trace.
   */
  fromNs: number;
  /**
   * The core it is or was on.
   */
  pcpu?: number;
  /**
   * `running`, `runnable`, `blocked`, `offline`, `hypervisor`, `lost` or `unknown`.
   */
  state: string;
}
