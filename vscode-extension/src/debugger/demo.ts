import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as vscode from 'vscode';
import type { Program } from '../adapter/program.js';
import { describe } from '../errors.js';
import { TYPE } from '../identifiers.js';

/** What `hvdap demo --files` prints. */
interface DemoFiles {
  /** The machine file. */
  machine: string;
}

/** How long unpacking may take, in milliseconds. */
const PATIENCE = 30_000;
/** How long the editor may take to open the source of the halt, in milliseconds. */
const SOURCE_PATIENCE = 5000;

/**
 * Attaches to the machine that is built into the adapter: a hypervisor and two VMs, halted. Needs no other program.
 *
 * @param showSchedule shows the schedule of what is attached to.
 */
export async function tryDemo(
  context: vscode.ExtensionContext,
  program: Program,
  showSchedule: () => Promise<unknown>,
): Promise<void> {
  const binary = await program.findOrTell();
  if (binary === undefined) {
    return;
  }
  let files: DemoFiles;
  try {
    files = await unpack(binary.path, vscode.Uri.joinPath(context.globalStorageUri, 'demo').fsPath);
  } catch (error) {
    await program.complain(`The demo cannot be unpacked: ${describe(error)}`);
    return;
  }
  const started = await vscode.debug.startDebugging(undefined, {
    type: TYPE,
    request: 'attach',
    name: 'hvdap demo',
    machine: files.machine,
  });
  if (!started) {
    return;
  }
  await vscode.commands.executeCommand('hvdap.machine.focus');
  await firstSource();
  await showSchedule();
}

/** Waits until the halt's source is open, so that the schedule finds its place beside it. */
function firstSource(): Promise<void> {
  return new Promise((resolve) => {
    const listener = vscode.debug.onDidChangeActiveStackItem((item) => {
      if (item instanceof vscode.DebugStackFrame && vscode.window.activeTextEditor !== undefined) {
        done();
      }
    });
    const opened = vscode.window.onDidChangeActiveTextEditor((editor) => {
      if (editor !== undefined) {
        done();
      }
    });
    const timer = setTimeout(done, SOURCE_PATIENCE);
    function done(): void {
      clearTimeout(timer);
      listener.dispose();
      opened.dispose();
      resolve();
    }
  });
}

async function unpack(binary: string, folder: string): Promise<DemoFiles> {
  const { stdout } = await promisify(execFile)(binary, ['demo', '--files', folder], { timeout: PATIENCE });
  return JSON.parse(stdout) as DemoFiles;
}
