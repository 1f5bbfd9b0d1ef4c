/**
 * What passes between a schedule page and whoever serves it: a webview's host, or `hvdap trace view`.
 *
 * The page asks by {@link Ask} with a number of its own and gets one {@link Reply} with that number; {@link Notice}s come unasked.
 */
import type { Schedule } from '../protocol/schedule';
import type { ScheduleArguments } from '../protocol/schedule.arguments';
import type { ScheduleFind } from '../protocol/schedule-find';
import type { ScheduleFindArguments } from '../protocol/schedule-find.arguments';
import type { ScheduleStatsArguments } from '../protocol/schedule-stats.arguments';
import type { TraceAbout } from '../protocol/trace-about';
import type { TraceStats } from '../protocol/trace-stats';
import type { Why } from '../protocol/why';
import type { WhyArguments } from '../protocol/why.arguments';

/** The requests a page may ask for, each the DAP request `hvdap/COMMAND`: its arguments and its body. */
export interface Questions {
  schedule: [ScheduleArguments, Schedule];
  scheduleStats: [ScheduleStatsArguments, TraceStats];
  scheduleFind: [ScheduleFindArguments, ScheduleFind];
  why: [WhyArguments, Why];
  traceInfo: [Record<string, never>, TraceAbout];
}

/** The name of one of them. */
export type Command = keyof Questions;

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
  /** Recording began or ended; of what was recorded nothing may be known yet. */
  | { event: 'recording'; body: Record<string, never> }
  /** The machine halted (a cursor is drawn at the schedule's end), or runs again. */
  | { event: 'halted'; body: { halted: boolean } }
  /** This lane shall be shown, a pCPU's without `guest`: asked for from the machine view. */
  | { event: 'show'; body: { guest?: number; index: number } }
  /** The session ended; what is drawn stays. */
  | { event: 'ended'; body: Record<string, never> };

/** What an export can be written as. */
export type Format = 'perfetto' | 'chrome' | 'csv';

/** Page to host, without an answer. */
export type Signal =
  /** The page is loaded and takes {@link Notice}s. */
  | { signal: 'ready' }
  /** A span was clicked: its vCPU's or pCPU's thread shall get the focus. `guest` is missing for a pCPU. */
  | { signal: 'focus'; guest?: number; index: number }
  /** A file shall be written by `hvdap/traceExport`, of these ticks; the host asks where to. */
  | { signal: 'export'; format: Format; from: number; to: number };
