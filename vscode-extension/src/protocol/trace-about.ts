// Written by scripts/schemas.mjs from schemas/trace-about.schema.json.

/**
 * Body of `hvdap/traceInfo`: what is shown, and whether more of it is to come.
 */
export interface TraceAbout {
  /**
   * Events so far.
   */
  events: number;
  /**
   * Why there is no more of it.
   */
  failure?: string;
  /**
   * It is being recorded, or its file is still being read.
   */
  growing: boolean;
  /**
   * How many lanes there are, tasks' included. They are numbered from 0.
   */
  lanes: number;
  /**
   * Records that the source lost for want of room, so far.
   */
  lost: number;
  /**
   * The file, or what is attached to.
   */
  title: string;
}
