// Written by scripts/schemas.mjs from schemas/schedule-find.schema.json.

/**
 * Body of `hvdap/scheduleFind`: where it is; empty where there is none.
 */
export interface ScheduleFind {
  /**
   * In which lane.
   */
  lane?: number;
  /**
   * Its first tick.
   */
  time?: number;
  /**
   * The first tick beyond.
   */
  until?: number;
}
