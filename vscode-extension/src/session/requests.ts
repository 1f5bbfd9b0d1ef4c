import * as vscode from 'vscode';
import { describe } from '../errors.js';

/** Requests of our own, `hvdap/…`, which an older adapter may not know. */
export class Requests {
  private readonly said = new Set<string>();

  constructor(private readonly log: vscode.LogOutputChannel) {}

  /** Sends a request; undefined when it is refused, which is logged, and said to the user once where the adapter is too old for it. */
  async tryTo(session: vscode.DebugSession, command: string, body: unknown): Promise<unknown> {
    try {
      return (await session.customRequest(command, body)) as unknown;
    } catch (error) {
      this.refused(session, command, error);
      return undefined;
    }
  }

  /** Logs a refusal. */
  refused(session: vscode.DebugSession, command: string, error: unknown): void {
    const reason = describe(error);
    this.log.warn(`${session.name}: ${command} was refused: ${reason}`);
    if (isUnknown(error) && !this.said.has(command)) {
      this.said.add(command);
      void vscode.window.showWarningMessage(`This hvdap is too old for ${command}: what rests on it is not shown.`);
    }
  }
}

/** Whether the adapter does not know a command. */
export function isUnknown(error: unknown): boolean {
  return describe(error).includes('unknown command');
}
