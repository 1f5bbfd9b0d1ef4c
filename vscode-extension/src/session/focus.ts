import * as vscode from 'vscode';
import { describe } from '../errors.js';
import type { Machine, Place } from './machine.js';
import { isUnknown, type Requests } from './requests.js';

/** How long a move of the focus may take to be told, in milliseconds. */
const MOVE_PATIENCE = 1000;

/** The innermost frame of a thread, where it has a source. */
export interface TopFrame {
  name: string;
  source: vscode.Uri;
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
  return frame && path !== undefined && frame.line > 0
    ? { name: frame.name, source: sourceUri(path), line: frame.line }
    : undefined;
}

/** VS Code has made a URI of the path that the adapter sent; in a remote window one of the window's own kind. */
function sourceUri(path: string): vscode.Uri {
  if (!/^[\w+.-]+:\/\//.test(path)) {
    return vscode.Uri.file(path);
  }
  const uri = vscode.Uri.parse(path, true);
  return uri.scheme === 'vscode-remote' ? vscode.Uri.file(uri.path) : uri;
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
    const moved = activeSessionChange();
    await vscode.commands.executeCommand('workbench.action.debug.nextConsole');
    await moved;
    // The console took the keys, which belong to the code.
    await vscode.commands.executeCommand('workbench.action.focusActiveEditorGroup');
  }
}

/** The change of the active session is told some time after the command is done. */
function activeSessionChange(): Promise<void> {
  return new Promise((resolve) => {
    const listener = vscode.debug.onDidChangeActiveDebugSession(done);
    const timer = setTimeout(done, MOVE_PATIENCE);
    function done(): void {
      clearTimeout(timer);
      listener.dispose();
      resolve();
    }
  });
}

async function openSource(machine: Machine, place: Place): Promise<void> {
  const frame = await topFrame(machine, place);
  if (frame !== undefined) {
    const at = new vscode.Position(frame.line - 1, 0);
    await vscode.window.showTextDocument(frame.source, { selection: new vscode.Range(at, at) });
  }
}
