import type * as vscode from 'vscode';
import type { Command, Format, Notice } from './messages.js';

/** A part of a schedule to be written to a file. */
export interface Export {
  format: Format;
  /** Ticks; `to` is the first beyond. */
  from: number;
  to: number;
  /** The file; for CSV of an attached machine the folder. */
  output: string;
}

/** Who answers a schedule page: a machine that is attached to, or a recorded trace. */
export interface Answerer {
  readonly title: string;
  /** @throws with a reason for the user. */
  request(command: Command, body: unknown): Promise<unknown>;
  readonly onNotice: vscode.Event<Notice>;
  /** @throws with a reason for the user. */
  export(wanted: Export): Promise<void>;
  /** Gives a vCPU's thread the focus, or a pCPU's where `guest` is missing. */
  focus?(guest: number | undefined, index: number): Promise<void>;
  dispose(): void;
}
