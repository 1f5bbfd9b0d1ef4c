import * as vscode from 'vscode';
import type { Program } from '../adapter/program.js';
import { describe } from '../errors.js';
import type { ThreadNode } from '../machine/tree.js';
import type { Launch } from '../protocol/launch.js';
import type { Machine } from '../session/machine.js';
import type { Machines } from '../session/machines.js';
import { isSavedHalt } from '../session/saved.js';
import { AttachedSchedule } from './attached.js';
import { SchedulePanel } from './panel.js';
import { offerRecording, readSaved } from './recorder.js';
import { RecordedSchedule } from './recording.js';

/** Opens schedule panels: one for each machine, and one for each trace. */
export class Schedules {
  private readonly ofMachines = new Map<Machine, SchedulePanel>();

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly program: Program,
    private readonly machines: Machines,
  ) {}

  /** Shows a machine's schedule. */
  async showMachine(machine = this.machines.active, column?: vscode.ViewColumn): Promise<SchedulePanel | undefined> {
    if (machine === undefined) {
      void vscode.window.showInformationMessage('No machine is attached. "hvdap: Open Trace…" shows a recorded one.');
      return undefined;
    }
    const present = this.ofMachines.get(machine);
    if (present !== undefined) {
      present.reveal();
      return present;
    }
    if (await isSavedHalt(machine.root.configuration as vscode.DebugConfiguration & Launch)) {
      await readSaved(machine);
    } else {
      void offerRecording(machine).then(() => {
        this.tellRecording(machine);
      });
    }
    const panel = new SchedulePanel(this.context, new AttachedSchedule(this.machines, machine), column);
    this.ofMachines.set(machine, panel);
    panel.onDidDispose(() => this.ofMachines.delete(machine));
    return panel;
  }

  /** Begins or ends the recording of the machine that is looked at. */
  async record(act: (machine: Machine) => Promise<void>): Promise<void> {
    const machine = this.machines.active;
    if (machine === undefined) {
      void vscode.window.showInformationMessage('No machine is attached.');
      return;
    }
    await act(machine);
    this.tellRecording(machine);
  }

  /** Shows the lane of a vCPU or pCPU. */
  async showThread({ machine, row }: ThreadNode): Promise<void> {
    const { guest } = row.group;
    const panel = await this.showMachine(machine);
    panel?.tell({
      event: 'show',
      body: { ...(guest !== undefined && { guest }), index: row.thread.index },
    });
  }

  /** Shows a recorded trace; asks for the file when none is given. */
  async openTrace(file?: string): Promise<void> {
    const path = file ?? (await askForFile());
    const binary = path === undefined ? undefined : await this.program.findOrTell();
    if (path === undefined || binary === undefined) {
      return;
    }
    try {
      new SchedulePanel(this.context, await RecordedSchedule.open(binary.path, path));
    } catch (error) {
      this.program.log.error(`${path}: ${describe(error)}`);
      await this.program.complain(`The trace cannot be shown: ${describe(error)}`);
    }
  }

  /** While the machine is halted the adapter has nothing to tell of a recording that began. */
  private tellRecording(machine: Machine): void {
    this.ofMachines.get(machine)?.tell({ event: 'recording', body: {} });
  }
}

async function askForFile(): Promise<string | undefined> {
  const files = await vscode.window.showOpenDialog({ title: 'A recorded trace: xentrace, trace.dat or hvtrace' });
  return files?.[0]?.fsPath;
}
