// Written by scripts/schemas.mjs from schemas/why.arguments.schema.json.

/**
 * Arguments of `hvdap/why`: a vCPU, by its lane or by its thread, and a time.
 */
export interface WhyArguments {
  /**
   * The lane.
   */
  lane?: number;
  /**
   * The thread of the vCPU.
   */
  threadId?: number;
  /**
   * The tick.
   */
  time: number;
}
