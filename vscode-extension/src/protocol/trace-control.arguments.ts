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
   * For `start`: which events, by class and subclass; run states and scheduling when left out.
   */
  mask?: number;
}
