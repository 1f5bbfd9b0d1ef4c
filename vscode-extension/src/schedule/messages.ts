/**
 * What passes between a schedule page and whoever serves it: a webview's host, or `hvdap trace view`.
 *
 * The page asks by {@link Ask} with a number of its own and gets one {@link Reply} with that number; {@link Notice}s come unasked.
 */

/** The requests a page may ask for; each is the DAP request `hvdap/COMMAND`. */
export type Command = 'schedule' | 'scheduleStats' | 'why' | 'traceControl';

/** Page to host. */
export interface Ask {
  id: number;
  command: Command;
  arguments: unknown;
}

/** Host to page: the answer to one {@link Ask}. */
export type Reply = { id: number; body: unknown } | { id: number; error: string };

/** Host to page: something happened. */
export type Notice =
  /** The schedule is known up to the tick `until`. */
  | { event: 'scheduleChanged'; body: { until: number } }
  /** The machine halted (a cursor is drawn at the schedule's end), or runs again. */
  | { event: 'halted'; body: { halted: boolean } }
  /** This vCPU's lane shall be shown: asked for from the machine view. */
  | { event: 'show'; body: { guest: number; index: number } }
  /** The session ended; what is drawn stays. */
  | { event: 'ended'; body: Record<string, never> };

/** Page to host, without an answer. */
export type Signal =
  /** The page is loaded and takes {@link Notice}s. */
  | { signal: 'ready' }
  /** A span was clicked: its vCPU's or pCPU's thread shall get the focus. `guest` is missing for a pCPU. */
  | { signal: 'focus'; guest?: number; index: number };
