import { open } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import * as vscode from 'vscode';
import { MACHINE_FILE, TYPE } from '../identifiers.js';
import { parsePlace, placeText } from '../machine/place.js';
import { machineFileText, vmNames, type MachineFile } from './machineFile.js';

/** Asks where the machine is and which programs run in it, writes the machine file and a launch configuration. */
export async function setUp(): Promise<void> {
  const folder = await chooseFolder();
  if (folder === undefined) {
    return;
  }
  const machine = await askMachine(folder);
  const at = vscode.Uri.joinPath(folder.uri, MACHINE_FILE);
  if (machine === undefined || !(await write(at, machineFileText(machine)))) {
    return;
  }
  await addConfiguration(folder);
  await vscode.window.showTextDocument(at);
  const attach = 'Attach Now';
  if ((await vscode.window.showInformationMessage(`${MACHINE_FILE} is written.`, attach)) === attach) {
    await vscode.debug.startDebugging(folder, configuration());
  }
}

/** What the user wants in the machine file; undefined when given up. */
async function askMachine(folder: vscode.WorkspaceFolder): Promise<MachineFile | undefined> {
  const connect = await askPlace();
  if (connect === undefined) {
    return undefined;
  }
  const hypervisor = await askImages('Hypervisor: its ELF file with symbols (Xen: xen-syms)', false);
  if (hypervisor === undefined) {
    return undefined;
  }
  const images = await askImages('VMs: the ELF file of each kernel (Linux: vmlinux)', true);
  if (images === undefined) {
    return undefined;
  }
  const paths = images.map((image) => fromFolder(folder, image));
  const names = vmNames(paths);
  const [first] = hypervisor;
  return {
    connect,
    ...(first !== undefined && { hypervisor: fromFolder(folder, first) }),
    vms: paths.map((image, index) => ({ name: names[index] ?? image, image })),
  };
}

async function chooseFolder(): Promise<vscode.WorkspaceFolder | undefined> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  if (folders.length === 0) {
    void vscode.window.showErrorMessage('Open a folder first: the machine file is written there.');
    return undefined;
  }
  return folders.length === 1 ? folders[0] : await vscode.window.showWorkspaceFolderPick();
}

async function askPlace(): Promise<string | undefined> {
  const kinds = [
    { label: 'QEMU', description: 'its gdb stub: -gdb tcp::1234', usual: '127.0.0.1:1234' },
    { label: 'OpenOCD', description: 'its gdb port', usual: '127.0.0.1:3333' },
    { label: 'Saved halt', description: 'written by "Take Snapshot" or `hvdap snapshot`', usual: undefined },
  ];
  const kind = await vscode.window.showQuickPick(kinds, { title: 'How is the machine reached?' });
  if (kind === undefined) {
    return undefined;
  }
  if (kind.usual === undefined) {
    const [file] = (await vscode.window.showOpenDialog({ title: 'Saved halt' })) ?? [];
    return file && placeText({ kind: 'snapshot', path: file.fsPath });
  }
  const answer = await vscode.window.showInputBox({
    title: `${kind.label}: HOST:PORT, or unix:PATH`,
    value: kind.usual,
    validateInput: (text) => (parsePlace(gdb(text)) ? undefined : 'HOST:PORT, such as 127.0.0.1:1234, or unix:PATH'),
  });
  const place = answer === undefined ? undefined : parsePlace(gdb(answer));
  return place && placeText(place);
}

function gdb(text: string): string {
  const trimmed = text.trim();
  return trimmed.startsWith('gdb:') ? trimmed : `gdb:${trimmed}`;
}

/** ELF files the user picks; none are fine, undefined means given up. */
async function askImages(title: string, many: boolean): Promise<string[] | undefined> {
  const pick = 'Pick';
  const without = 'Go On Without';
  const chosen = await vscode.window.showQuickPick([pick, without], { title });
  if (chosen !== pick) {
    return chosen === without ? [] : undefined;
  }
  const files = await vscode.window.showOpenDialog({ title, canSelectMany: many });
  const paths = files?.map((file) => file.fsPath);
  for (const path of paths ?? []) {
    if (!(await isElf(path))) {
      void vscode.window.showErrorMessage(`${path} is no ELF file. Pick the one with symbols, not the bootable image.`);
      return undefined;
    }
  }
  return paths;
}

async function isElf(path: string): Promise<boolean> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
      return bytesRead === 4 && buffer.equals(Buffer.from('\x7fELF', 'latin1'));
    } finally {
      await file.close();
    }
  } catch {
    return false;
  }
}

/** Relative where it lies in the folder, so that the machine file can be shared. */
function fromFolder(folder: vscode.WorkspaceFolder, path: string): string {
  const short = relative(folder.uri.fsPath, path);
  return short.startsWith('..') || dirname(short) === short ? path : short;
}

/** Writes a file that is not there; an existing one only when the user says so. */
async function write(at: vscode.Uri, text: string): Promise<boolean> {
  const exists = await vscode.workspace.fs.stat(at).then(
    () => true,
    () => false,
  );
  if (exists) {
    const replace = 'Replace';
    const question = `${vscode.workspace.asRelativePath(at)} exists. Replace it?`;
    if ((await vscode.window.showWarningMessage(question, { modal: true }, replace)) !== replace) {
      return false;
    }
  }
  await vscode.workspace.fs.writeFile(at, new TextEncoder().encode(text));
  return true;
}

function configuration(): vscode.DebugConfiguration {
  return { type: TYPE, request: 'attach', name: 'Attach to machine', machine: `\${workspaceFolder}/${MACHINE_FILE}` };
}

/** Adds the launch configuration, unless one attaches to this machine file already. */
async function addConfiguration(folder: vscode.WorkspaceFolder): Promise<void> {
  const launch = vscode.workspace.getConfiguration('launch', folder);
  const known = launch.inspect<vscode.DebugConfiguration[]>('configurations');
  const present = known?.workspaceFolderValue ?? known?.workspaceValue ?? [];
  const wanted = configuration();
  if (!present.some((one) => one.type === TYPE && one.machine === wanted.machine)) {
    await launch.update('configurations', [...present, wanted], vscode.ConfigurationTarget.WorkspaceFolder);
  }
}
