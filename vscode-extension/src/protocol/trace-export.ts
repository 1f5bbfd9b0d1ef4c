// Written by scripts/schemas.mjs from schemas/trace-export.schema.json.

/**
 * Body of `hvdap/traceExport`.
 */
export interface TraceExport {
  /**
   * What was written.
   */
  output: string;
}
