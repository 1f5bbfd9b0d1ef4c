import * as vscode from 'vscode';
import { basename } from 'node:path';
import { plain } from '../session/names.js';
import type { Answerer } from './answerer.js';
import type { Command, Notice } from './messages.js';
import { Viewer } from './viewer.js';

/** A recorded trace, read by `hvdap trace view`. */
export class RecordedSchedule implements Answerer {
  private readonly notices = new vscode.EventEmitter<Notice>();
  readonly onNotice = this.notices.event;
  readonly title: string;

  private constructor(
    private readonly viewer: Viewer,
    file: string,
  ) {
    this.title = `Schedule: ${plain(basename(file))}`;
  }

  /** @throws the file cannot be read; the reason is for the user. */
  static async open(binary: string, file: string): Promise<RecordedSchedule> {
    return new RecordedSchedule(await Viewer.start(binary, file), file);
  }

  request(command: Command, body: unknown): Promise<unknown> {
    return this.viewer.request(command, body);
  }

  dispose(): void {
    this.notices.dispose();
    this.viewer.stop();
  }
}
