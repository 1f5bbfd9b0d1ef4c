// Written by scripts/schemas.mjs from schemas/schedule-stats.arguments.schema.json.

/**
 * Arguments of `hvdap/scheduleStats`.
 */
export interface ScheduleStatsArguments {
  /**
   * Leave out the time during which the debugger held the machine.
   */
  cutHalts?: boolean;
  /**
   * The first tick; the timeline's when left out.
   */
  from?: number;
  /**
   * The first tick beyond; the timeline's end when left out.
   */
  to?: number;
}
