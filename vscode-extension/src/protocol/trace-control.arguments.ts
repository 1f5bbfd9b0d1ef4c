// Written by scripts/schemas.mjs from schemas/trace-control.arguments.schema.json.

/**
 * Arguments of `hvdap/traceControl`.
 */
export interface TraceControlArguments {
  /**
   * What to do.
   */
  action: 'start' | 'stop' | 'status';
  /**
   * For `start`: which events, Xen's by class and subclass, hvtrace's by kind; run states and scheduling when left out.
   */
  mask?: number;
}
