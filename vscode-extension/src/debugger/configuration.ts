import * as vscode from 'vscode';
import type { Program } from '../adapter/program.js';
import { MACHINE_FILE, TYPE } from '../identifiers.js';

/** Fills in what a debug configuration leaves out: above all the machine file. */
export class Configurations implements vscode.DebugConfigurationProvider {
  constructor(private readonly program: Program) {}

  async provideDebugConfigurations(folder?: vscode.WorkspaceFolder): Promise<vscode.DebugConfiguration[]> {
    const files = await machineFiles(folder);
    return files.map((file) => ({
      type: TYPE,
      request: 'attach',
      name: `Attach: ${vscode.workspace.asRelativePath(file)}`,
      machine: inFolder(file, folder),
    }));
  }

  /** An empty configuration is what F5 without launch.json gives. */
  async resolveDebugConfiguration(
    folder: vscode.WorkspaceFolder | undefined,
    configuration: vscode.DebugConfiguration,
  ): Promise<vscode.DebugConfiguration | undefined> {
    const { type, request, name, ...rest } = configuration as Partial<vscode.DebugConfiguration>;
    const complete = { type: type ?? TYPE, request: request ?? 'attach', name: name ?? 'Machine', ...rest };
    if ('__hvdap' in complete || 'machine' in complete || 'target' in complete) {
      return complete;
    }
    const machine = await chooseMachineFile(folder);
    return machine && { ...complete, machine: machine.fsPath };
  }

  /** Nothing is started without a program to start; the user is told why. */
  async resolveDebugConfigurationWithSubstitutedVariables(
    _folder: vscode.WorkspaceFolder | undefined,
    configuration: vscode.DebugConfiguration,
  ): Promise<vscode.DebugConfiguration | undefined> {
    const served = '__hvdap' in configuration || 'debugServer' in configuration;
    return served || (await this.program.findOrTell()) !== undefined ? configuration : undefined;
  }
}

/** The machine files of a folder, or of the whole workspace. */
export async function machineFiles(folder?: vscode.WorkspaceFolder): Promise<vscode.Uri[]> {
  const pattern = `**/${MACHINE_FILE}`;
  const within = folder === undefined ? pattern : new vscode.RelativePattern(folder, pattern);
  const found = await vscode.workspace.findFiles(within, '**/{node_modules,target,.git}/**', 50);
  return found.sort((a, b) => a.path.split('/').length - b.path.split('/').length || a.path.localeCompare(b.path));
}

/** The only machine file, the user's choice, or the result of the set-up when there is none. */
async function chooseMachineFile(folder?: vscode.WorkspaceFolder): Promise<vscode.Uri | undefined> {
  const files = await machineFiles(folder);
  if (files.length === 1) {
    return files[0];
  }
  if (files.length === 0) {
    const setUp = 'Set Up a Machine';
    const demo = 'Try the Demo';
    const answer = await vscode.window.showInformationMessage(
      `What shall be attached to? There is no ${MACHINE_FILE} in this workspace, and the configuration names neither "machine" nor "target".`,
      { modal: true },
      setUp,
      demo,
    );
    if (answer !== undefined) {
      await vscode.commands.executeCommand(answer === setUp ? 'hvdap.setUp' : 'hvdap.tryDemo');
    }
    return undefined;
  }
  const items = files.map((file) => ({ label: vscode.workspace.asRelativePath(file), file }));
  const chosen = await vscode.window.showQuickPick(items, { title: 'Which machine?' });
  return chosen?.file;
}

function inFolder(file: vscode.Uri, folder?: vscode.WorkspaceFolder): string {
  if (folder !== undefined && file.path.startsWith(`${folder.uri.path}/`)) {
    return `\${workspaceFolder}${file.path.slice(folder.uri.path.length)}`;
  }
  return file.fsPath;
}
