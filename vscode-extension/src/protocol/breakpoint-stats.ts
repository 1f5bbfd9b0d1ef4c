// Written by scripts/schemas.mjs from schemas/breakpoint-stats.schema.json.

/**
 * Body of `hvdap/breakpointStats`.
 */
export interface BreakpointStats {
  /**
   * Every breakpoint of the machine, whichever session set it.
   */
  breakpoints: BreakpointCounts[];
}
/**
 * How often a breakpoint was hit.
 */
export interface BreakpointCounts {
  /**
   * Hits in other VMs, or where its condition did not hold, that the machine was let run on from.
   */
  filtered: number;
  /**
   * Hits reported.
   */
  hits: number;
  /**
   * Its number, as in the answer to the session that set it.
   */
  id: number;
  /**
   * Where it is bound, or why not.
   */
  message: string;
  /**
   * Whether this session set it.
   */
  own: boolean;
  /**
   * Whether it is installed.
   */
  verified: boolean;
}
