import * as vscode from 'vscode';
import { describe } from '../errors.js';
import type { Machine, Place } from './machine.js';
import { isUnknown, type Requests } from './requests.js';

/** The innermost frame of a thread, where it has a source. */
export interface TopFrame {
  name: string;
  path: string;
  /** From 1. */
  line: number;
}

/** Asks for the innermost frame of a thread that has a source file. */
export async function topFrame(machine: Machine, place: Place): Promise<TopFrame | undefined> {
  const session = machine.sessionOf(place.group);
  const body = (await session.customRequest('stackTrace', {
    threadId: place.thread.id,
    startFrame: 0,
    levels: 1,
  })) as { stackFrames?: { name: string; line: number; source?: { path?: string } }[] };
  const [frame] = body.stackFrames ?? [];
  const path = frame?.source?.path;
  return frame && path !== undefined && frame.line > 0 ? { name: frame.name, path, line: frame.line } : undefined;
}

/**
 * Gives a thread the focus, so that the editor shows its stack and variables.
 *
 * VS Code's API cannot: its own command moves the focus to the session that shows the thread, and the adapter, told
 * `hvdap/focus`, says again that the machine stopped, in this thread.
 */
export async function focusThread(requests: Requests, machine: Machine, place: Place): Promise<void> {
  if (!machine.halted) {
    void vscode.window.showInformationMessage('The machine runs: halt it to see stacks.');
    return;
  }
  const session = machine.sessionOf(place.group);
  await focusSession(session, machine.children.size + 1);
  try {
    await session.customRequest('hvdap/focus', { threadId: place.thread.id });
  } catch (error) {
    requests.refused(session, 'hvdap/focus', error);
    if (!isUnknown(error)) {
      void vscode.window.showErrorMessage(describe(error));
    }
    await openSource(machine, place);
  }
}

/** Moves the focus from debug console to debug console, each of which stands for a session, until it is the wanted one's. */
async function focusSession(wanted: vscode.DebugSession, sessions: number): Promise<void> {
  for (let tries = 0; tries < sessions && vscode.debug.activeDebugSession?.id !== wanted.id; tries++) {
    await vscode.commands.executeCommand('workbench.action.debug.nextConsole');
  }
}

async function openSource(machine: Machine, place: Place): Promise<void> {
  const frame = await topFrame(machine, place);
  if (frame !== undefined) {
    const at = new vscode.Position(frame.line - 1, 0);
    await vscode.window.showTextDocument(vscode.Uri.file(frame.path), { selection: new vscode.Range(at, at) });
  }
}
