// Written by scripts/schemas.mjs from schemas/subscribe.schema.json.

/**
 * Arguments of `hvdap/subscribe`.
 */
export interface Subscribe {
  /**
   * Whether events `hvdap/…` are wanted: `hvdap/groupsChanged`, without a body, and `hvdap/scheduleChanged`, with the tick up to
   * which the schedule is known as `until`.
   */
  events: boolean;
}
