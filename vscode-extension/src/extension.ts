import * as vscode from 'vscode';
import { Program } from './adapter/program.js';
import { AdapterServers } from './adapter/servers.js';
import { Configurations } from './debugger/configuration.js';
import { tryDemo } from './debugger/demo.js';
import { setUp } from './debugger/setup.js';
import { TYPE } from './identifiers.js';
import { machineCommands } from './machine/actions.js';
import { StandingDecorations } from './machine/standing.js';
import { WhereItem } from './machine/status.js';
import { MachineTree, type ThreadNode } from './machine/tree.js';
import { Schedules } from './schedule/commands.js';
import { followAttached } from './session/context.js';
import { startRecording, stopRecording } from './schedule/recorder.js';
import { FocusFollower } from './session/follower.js';
import { Machines } from './session/machines.js';
import { Requests } from './session/requests.js';
import { TranslationPanel } from './translation/panel.js';

/** Registers the debugger, its views and its commands. */
export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel('hvdap', { log: true });
  const program = new Program(context, log);
  const servers = new AdapterServers(program);
  const machines = new Machines(new Requests(log));
  const schedules = new Schedules(context, program, machines);
  const translation = new TranslationPanel(context, machines);
  const besideCode = (): Promise<unknown> => schedules.showMachine(undefined, vscode.ViewColumn.Beside);
  const { registerCommand } = vscode.commands;

  context.subscriptions.push(
    log,
    servers,
    machines,
    followAttached(machines),
    new FocusFollower(machines),
    new WhereItem(machines),
    new StandingDecorations(machines),
    vscode.debug.registerDebugAdapterDescriptorFactory(TYPE, servers),
    vscode.debug.registerDebugAdapterTrackerFactory(TYPE, machines),
    vscode.debug.registerDebugConfigurationProvider(TYPE, new Configurations(program)),
    vscode.window.createTreeView('hvdap.machine', { treeDataProvider: new MachineTree(machines) }),
    ...machineCommands(machines),
    registerCommand('hvdap.setUp', setUp),
    registerCommand('hvdap.tryDemo', () => tryDemo(context, program, besideCode)),
    registerCommand('hvdap.showSchedule', async () => {
      await schedules.showMachine();
    }),
    registerCommand('hvdap.startRecording', () => schedules.record(startRecording)),
    registerCommand('hvdap.stopRecording', () => schedules.record(stopRecording)),
    registerCommand('hvdap.showInSchedule', (node: ThreadNode) => schedules.showThread(node)),
    registerCommand('hvdap.openTrace', (file?: vscode.Uri) => schedules.openTrace(file?.fsPath)),
    registerCommand('hvdap.translate', (node?: ThreadNode) => translation.ask(node)),
    registerCommand('hvdap.showLog', () => {
      log.show();
    }),
  );
}
