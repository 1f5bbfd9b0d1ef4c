// Written by scripts/schemas.mjs from schemas/trace-export.arguments.schema.json.

/**
 * Arguments of `hvdap/traceExport`.
 */
export interface TraceExportArguments {
  /**
   * What to write.
   */
  format: 'perfetto' | 'chrome' | 'ctf' | 'csv' | 'parquet';
  /**
   * The first tick; the timeline's when left out.
   */
  from?: number;
  /**
   * The file to write; the folder to make for `ctf`, `csv` and `parquet`. On the adapter's machine.
   */
  output: string;
  /**
   * The first tick beyond; the timeline's end when left out.
   */
  to?: number;
}
