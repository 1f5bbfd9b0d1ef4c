// Written by scripts/schemas.mjs from schemas/translate.arguments.schema.json.

/**
 * Arguments of `hvdap/translate`.
 */
export interface TranslateArguments {
  /**
   * `0x…`, or a C expression, worked out in the thread's innermost frame.
   */
  address: string;
  /**
   * Whose address: a vCPU, on a core or not, or one of the hypervisor's pCPUs.
   */
  threadId: number;
}
