import * as vscode from 'vscode';
import type { Machines } from './machines.js';

/** Keeps the context key `hvdap.attached`, by which package.json shows the machine view and commands. */
export function followAttached(machines: Machines): vscode.Disposable {
  let attached = false;
  return machines.onDidChange(() => {
    const now = machines.all.length > 0;
    if (now !== attached) {
      attached = now;
      void vscode.commands.executeCommand('setContext', 'hvdap.attached', attached);
    }
  });
}
