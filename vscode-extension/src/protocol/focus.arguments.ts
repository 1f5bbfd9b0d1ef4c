// Written by scripts/schemas.mjs from schemas/focus.arguments.schema.json.

/**
 * Arguments of `hvdap/focus`.
 */
export interface FocusArguments {
  /**
   * The thread to look at, one of this session's.
   */
  threadId: number;
}
