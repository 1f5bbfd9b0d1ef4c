import * as vscode from 'vscode';
import { describe } from '../errors.js';
import type { Group } from '../protocol/machine-overview.js';
import { focusThread, topFrame } from '../session/focus.js';
import { HYPERVISOR, type Machine, type Place } from '../session/machine.js';
import type { Machines } from '../session/machines.js';
import { plain } from '../session/names.js';
import type { GroupNode, Node, ThreadNode } from './tree.js';

/** The commands of the machine view's menus. */
export function machineCommands(machines: Machines): vscode.Disposable[] {
  const { registerCommand } = vscode.commands;
  return [
    registerCommand('hvdap.openStack', (node: ThreadNode) =>
      focusThread(machines.requests, node.machine, placeOf(node)),
    ),
    registerCommand('hvdap.breakHere', (node?: ThreadNode) => breakAtThread(machines, node)),
    registerCommand('hvdap.breakOnFunction', (node: GroupNode) => breakOnFunction(node.row.group)),
    registerCommand('hvdap.takeSnapshot', (node?: Node) => takeSnapshot(node?.machine ?? machines.active)),
  ];
}

/** The group and thread of a row. */
export function placeOf(node: ThreadNode): Place {
  return { group: node.row.group, thread: node.row.thread };
}

/** The condition that holds in one VM only; none for the hypervisor, whose code runs in no VM. */
export function onlyIn(group: Group): string | undefined {
  if (group.id === HYPERVISOR) {
    return undefined;
  }
  // A VMID may be given to another VM; the hypervisor's own number is not.
  const [name, value] = group.guest === undefined ? ['$vmid', group.vmid] : ['$guest', group.guest];
  return value === undefined ? undefined : `${name} == ${value}`;
}

/** Sets a breakpoint on the line a thread stands on, for its VM only. */
async function breakAtThread(machines: Machines, node?: ThreadNode): Promise<void> {
  const at = node === undefined ? machines.focused() : { machine: node.machine, ...placeOf(node) };
  if (at === undefined) {
    void vscode.window.showInformationMessage('No thread of a machine has the focus.');
    return;
  }
  const frame = await topFrame(at.machine, at).catch(() => undefined);
  if (frame === undefined) {
    void vscode.window.showInformationMessage(
      `${plain(at.group.name)} ${at.thread.name} is at no source line: set the breakpoint in the disassembly.`,
    );
    return;
  }
  const line = new vscode.Position(frame.line - 1, 0);
  const location = new vscode.Location(frame.source, line);
  vscode.debug.addBreakpoints([new vscode.SourceBreakpoint(location, true, onlyIn(at.group))]);
  await vscode.window.showTextDocument(location.uri, { selection: location.range });
}

async function breakOnFunction(group: Group): Promise<void> {
  const name = await vscode.window.showInputBox({
    title: `Break on a function of ${plain(group.name)} only`,
    placeHolder: 'function',
    validateInput: (text) => (/^[\w.$:]+$/.test(text) ? undefined : 'The name of a function, such as do_sys_open'),
  });
  if (name !== undefined) {
    vscode.debug.addBreakpoints([new vscode.FunctionBreakpoint(`${group.name}!${name}`)]);
  }
}

async function takeSnapshot(machine: Machine | undefined): Promise<void> {
  if (machine === undefined) {
    void vscode.window.showInformationMessage('No machine is attached.');
    return;
  }
  const folder = machine.root.workspaceFolder?.uri ?? vscode.workspace.workspaceFolders?.[0]?.uri;
  const file = await vscode.window.showSaveDialog({
    title: 'Save the halt: memory and registers',
    ...(folder && { defaultUri: vscode.Uri.joinPath(folder, 'halt.core.zst') }),
    filters: { 'Saved halt': ['zst', 'core'] },
  });
  if (file === undefined) {
    return;
  }
  const options = { location: vscode.ProgressLocation.Notification, title: `Saving ${file.fsPath}` };
  try {
    await vscode.window.withProgress(options, () =>
      Promise.resolve(machine.root.customRequest('hvdap/snapshot', { path: file.fsPath })),
    );
    void vscode.window.showInformationMessage(`Saved: attach to snapshot:${file.fsPath} to look at it again.`);
  } catch (error) {
    void vscode.window.showErrorMessage(`The halt was not saved: ${describe(error)}`);
  }
}
