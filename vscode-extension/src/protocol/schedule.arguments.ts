// Written by scripts/schemas.mjs from schemas/schedule.arguments.schema.json.

/**
 * Arguments of `hvdap/schedule`.
 */
export interface ScheduleArguments {
  /**
   * The first tick; the timeline's when left out.
   */
  from?: number;
  /**
   * Which lanes; all but tasks' when left out.
   */
  lanes?: number[];
  /**
   * Give the arrays as bytes in base64, not as numbers: for a view that draws them again and again.
   */
  packed?: boolean;
  /**
   * The first tick beyond; the timeline's end when left out.
   */
  to?: number;
  /**
   * How many cells a lane may have, and how many exact spans instead: the pixels of the view. 1000 when left out.
   */
  width?: number;
}
