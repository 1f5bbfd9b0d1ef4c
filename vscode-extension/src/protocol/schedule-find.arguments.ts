// Written by scripts/schemas.mjs from schemas/schedule-find.arguments.schema.json.

/**
 * Arguments of `hvdap/scheduleFind`.
 */
export interface ScheduleFindArguments {
  /**
   * Which way to look.
   */
  direction?: 'forward' | 'backward';
  /**
   * From which tick on. What begins just there is not found, so that the answer is where to go on from.
   */
  from: number;
  /**
   * In which lane; in every vCPU's when left out.
   */
  lane?: number;
  /**
   * For `wait-longer-than` and `run-longer-than`: how many ticks it lasts at least.
   */
  ticks?: number;
  /**
   * What to look for.
   */
  what: 'preempted' | 'wait-longer-than' | 'run-longer-than' | 'migrated' | 'deadline-missed' | 'not-known' | 'change';
}
