import * as vscode from 'vscode';
import { focusThread } from './focus.js';
import type { Machines, Stop } from './machines.js';

/** How long VS Code is given to move the focus itself, in milliseconds. */
const GRACE = 1000;

/**
 * Moves the focus to the session that a stop is about, where VS Code does not.
 *
 * A step from a VM into the hypervisor ends in another session than it began. VS Code takes the focus away from a session only
 * when it ran for 800 ms; a step is faster.
 */
export class FocusFollower {
  private readonly stops: vscode.Disposable;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly machines: Machines) {
    this.stops = machines.onDidStop((stop) => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => void this.follow(stop), GRACE);
    });
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.stops.dispose();
  }

  private async follow({ machine, session, threadId }: Stop): Promise<void> {
    const active = vscode.debug.activeDebugSession;
    const place = machine.find(threadId);
    const isPresent = machine.halted && machine.stoppedThread === threadId;
    if (place !== undefined && isPresent && this.machines.of(active) === machine && active?.id !== session.id) {
      await focusThread(this.machines.requests, machine, place);
    }
  }
}
