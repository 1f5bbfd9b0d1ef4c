import type * as vscode from 'vscode';
import type { Command, Notice } from './messages.js';

/** Who answers a schedule page: a machine that is attached to, or a recorded trace. */
export interface Answerer {
  readonly title: string;
  /** @throws with a reason for the user. */
  request(command: Command, body: unknown): Promise<unknown>;
  readonly onNotice: vscode.Event<Notice>;
  /** Gives a vCPU's thread the focus, or a pCPU's where `guest` is missing. */
  focus?(guest: number | undefined, index: number): Promise<void>;
  dispose(): void;
}
