import { join } from 'node:path';
import * as vscode from 'vscode';
import { findBinary, NoBinary, type Binary } from './binary.js';
import { parseVersion, type Version } from './version.js';

/** The program `hvdap` as the user has set it up, and its log. */
export class Program {
  constructor(
    private readonly context: vscode.ExtensionContext,
    readonly log: vscode.LogOutputChannel,
  ) {}

  /**
   * The program to run. Nothing is run in a workspace that is not trusted.
   *
   * @throws {NoBinary} there is none to use; the text tells the user what to do.
   */
  async find(): Promise<Binary> {
    if (!vscode.workspace.isTrusted) {
      throw new NoBinary('This workspace is not trusted, so hvdap is not run in it.');
    }
    const binary = await findBinary(
      {
        setting: vscode.workspace.getConfiguration('hvdap').get('path', ''),
        bundled: join(this.context.extensionPath, 'bin', 'hvdap'),
        searchPath: process.env.PATH ?? '',
      },
      this.oldest(),
    );
    this.log.info(`using ${binary.path}, version ${binary.version.join('.')}`);
    return binary;
  }

  /** The program to run; the user is told why when there is none. */
  async findOrTell(): Promise<Binary | undefined> {
    try {
      return await this.find();
    } catch (error) {
      void tellWhy(error);
      return undefined;
    }
  }

  /** Shows a failure with a button that opens the log. */
  async complain(message: string): Promise<void> {
    const showLog = 'Show Log';
    if ((await vscode.window.showErrorMessage(message, showLog)) === showLog) {
      this.log.show();
    }
  }

  /** Extension and program are released together, under one version. */
  private oldest(): Version {
    const { version } = this.context.extension.packageJSON as { version: string };
    return parseVersion(version) ?? [0, 0, 0];
  }
}

async function tellWhy(error: unknown): Promise<void> {
  const message = error instanceof Error ? error.message : String(error);
  if (!vscode.workspace.isTrusted) {
    const manage = 'Manage Trust';
    if ((await vscode.window.showErrorMessage(message, manage)) === manage) {
      await vscode.commands.executeCommand('workbench.trust.manage');
    }
    return;
  }
  const setPath = 'Open Setting';
  if ((await vscode.window.showErrorMessage(message, setPath)) === setPath) {
    await vscode.commands.executeCommand('workbench.action.openSettings', 'hvdap.path');
  }
}
