import { basename } from 'node:path';
import * as vscode from 'vscode';
import { plain } from '../session/names.js';
import type { Answerer, Export } from './answerer.js';
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
    // The file is still being read when its first part is shown.
    viewer.follow(
      (until) => {
        this.notices.fire({ event: 'scheduleChanged', body: { until } });
      },
      () => {
        this.notices.fire({ event: 'ended', body: {} });
      },
    );
  }

  /** @throws the file cannot be read; the reason is for the user. */
  static async open(binary: string, file: string): Promise<RecordedSchedule> {
    return new RecordedSchedule(await Viewer.start(binary, file), file);
  }

  request(command: Command, body: unknown): Promise<unknown> {
    return this.viewer.request(command, body);
  }

  export({ output, ...wanted }: Export): Promise<void> {
    return this.viewer.export(wanted, output);
  }

  dispose(): void {
    this.notices.dispose();
    this.viewer.stop();
  }
}
