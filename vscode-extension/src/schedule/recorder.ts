import * as vscode from 'vscode';
import { describe } from '../errors.js';
import type { TraceControl } from '../protocol/trace-control.js';
import type { TraceControlArguments } from '../protocol/trace-control.arguments.js';
import type { Machine } from '../session/machine.js';

/** Begins to record who runs when. */
export async function startRecording(machine: Machine): Promise<void> {
  try {
    const { whileRunning } = await control(machine, { action: 'start' });
    const note = whileRunning
      ? 'Recording: the schedule grows while the machine runs.'
      : 'Recording: the schedule grows at each halt. Name RAM files in the machine file (target.ram) to see it while the machine runs.';
    void vscode.window.showInformationMessage(note);
  } catch (error) {
    void vscode.window.showErrorMessage(`Recording does not start: ${describe(error)}`);
  }
}

/** Ends recording; what was recorded stays. */
export async function stopRecording(machine: Machine): Promise<void> {
  try {
    const { events, lost } = await control(machine, { action: 'stop' });
    const loss = lost === 0 ? '' : `; the hypervisor lost ${lost} for want of room`;
    void vscode.window.showInformationMessage(`Recorded: ${events} events${loss}.`);
  } catch (error) {
    void vscode.window.showErrorMessage(`Recording does not end: ${describe(error)}`);
  }
}

/** Takes the trace out of a saved halt's memory; a halt without one has no schedule, which the page says. */
export async function readSaved(machine: Machine): Promise<void> {
  await control(machine, { action: 'start' }).catch(() => undefined);
}

/** Where there is no schedule yet, says so and offers to record one. */
export async function offerRecording(machine: Machine): Promise<void> {
  const reason = await whyNothing(machine);
  const start = 'Start Recording';
  if (reason !== undefined && (await vscode.window.showInformationMessage(reason, start)) === start) {
    await startRecording(machine);
  }
}

async function whyNothing(machine: Machine): Promise<string | undefined> {
  try {
    const { recording } = await control(machine, { action: 'status' });
    if (!recording) {
      await machine.root.customRequest('hvdap/schedule', { width: 1 });
    }
    return undefined;
  } catch {
    return 'Nothing is recorded of this machine yet.';
  }
}

function control(machine: Machine, wanted: TraceControlArguments): Promise<TraceControl> {
  return Promise.resolve(machine.root.customRequest('hvdap/traceControl', wanted) as Thenable<TraceControl>);
}
