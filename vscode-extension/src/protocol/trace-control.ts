// Written by scripts/schemas.mjs from schemas/trace-control.schema.json.

/**
 * Body of `hvdap/traceControl`.
 */
export interface TraceControl {
  /**
   * Events so far.
   */
  events: number;
  /**
   * Whose trace is recorded.
   */
  format?: 'xen' | 'hvtrace';
  /**
   * Records that the hypervisor lost for want of room.
   */
  lost: number;
  /**
   * What is recorded: Xen's events by class and subclass, hvtrace's by kind.
   */
  mask: number;
  /**
   * Recording is under way.
   */
  recording: boolean;
  /**
   * The buffers are emptied while the machine runs; else at halts only, so that records may be lost in between.
   */
  whileRunning: boolean;
}
