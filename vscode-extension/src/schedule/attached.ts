import * as vscode from 'vscode';
import { focusThread } from '../session/focus.js';
import type { Machine } from '../session/machine.js';
import type { Machines } from '../session/machines.js';
import { plain } from '../session/names.js';
import type { Answerer, Export } from './answerer.js';
import type { Command, Notice } from './messages.js';

/** The schedule of a machine that is attached to, asked of its debug session. */
export class AttachedSchedule implements Answerer {
  private readonly notices = new vscode.EventEmitter<Notice>();
  private readonly disposables: { dispose(): unknown }[];
  private halted: boolean;
  readonly onNotice = this.notices.event;
  readonly title: string;

  constructor(
    private readonly machines: Machines,
    readonly machine: Machine,
  ) {
    this.title = `Schedule: ${plain(machine.name)}`;
    this.halted = machine.halted;
    this.disposables = [
      machines.onEvent(({ machine: of, event, body }) => {
        if (of === machine && event === 'hvdap/scheduleChanged') {
          this.notices.fire({ event: 'scheduleChanged', body: body as { until: number } });
        }
      }),
      machines.onDidChange(() => {
        this.follow();
      }),
      this.notices,
    ];
  }

  request(command: Command, body: unknown): Promise<unknown> {
    return Promise.resolve(this.machine.root.customRequest(`hvdap/${command}`, body));
  }

  async export(wanted: Export): Promise<void> {
    await this.machine.root.customRequest('hvdap/traceExport', wanted);
  }

  async focus(guest: number | undefined, index: number): Promise<void> {
    const place = this.machine.findByIndex(guest, index);
    if (place === undefined) {
      void vscode.window.showInformationMessage('This vCPU is not there any more.');
    } else {
      await focusThread(this.machines.requests, this.machine, place);
    }
  }

  dispose(): void {
    for (const disposable of this.disposables) {
      disposable.dispose();
    }
  }

  private follow(): void {
    if (!this.machines.all.includes(this.machine)) {
      this.notices.fire({ event: 'ended', body: {} });
    } else if (this.halted !== this.machine.halted) {
      this.halted = this.machine.halted;
      this.notices.fire({ event: 'halted', body: { halted: this.halted } });
    }
  }
}
