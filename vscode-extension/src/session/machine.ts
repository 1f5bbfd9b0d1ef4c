import * as vscode from 'vscode';
import type { Group, MachineOverview, Missing, Thread } from '../protocol/machine-overview.js';

/** A thread group with one of its threads. */
export interface Place {
  group: Group;
  thread: Thread;
}

/** The group number of the hypervisor. */
export const HYPERVISOR = 0;

/**
 * A machine that is attached to: its root session, the sessions of its VMs, and who is in it.
 *
 * Groups and threads are those of the last halt while it runs.
 */
export class Machine {
  groups: Group[] = [];
  /** Images that the machine file names and that run nowhere. */
  missing: Missing[] = [];
  halted = false;
  /** The thread that the last halt was about, by its number. */
  stoppedThread: number | undefined;
  /** Sessions of single VMs, by the number of the group. None when one session shows all. */
  readonly children = new Map<number, vscode.DebugSession>();

  constructor(readonly root: vscode.DebugSession) {}

  get name(): string {
    return this.root.name;
  }

  /** Asks the adapter anew who is there. */
  async refresh(): Promise<void> {
    const body = (await this.root.customRequest('hvdap/machine')) as MachineOverview;
    this.groups = body.groups;
    this.missing = body.missing;
    this.halted = body.halted;
  }

  /** A thread by its number. */
  find(threadId: number): Place | undefined {
    for (const group of this.groups) {
      const thread = group.threads.find((one) => one.id === threadId);
      if (thread !== undefined) {
        return { group, thread };
      }
    }
    return undefined;
  }

  /** A vCPU by the hypervisor's number of its VM, or a pCPU without that. */
  findByIndex(guest: number | undefined, index: number): Place | undefined {
    const group = this.groups.find((one) => (guest === undefined ? one.id === HYPERVISOR : one.guest === guest));
    const thread = group?.threads.find((one) => one.index === index);
    return group && thread && { group, thread };
  }

  /** The session that shows the threads of a group. */
  sessionOf(group: Group): vscode.DebugSession {
    return this.children.get(group.id) ?? this.root;
  }

  /** Whether a session shows this machine or a VM of it. */
  shows(session: vscode.DebugSession): boolean {
    return session.id === this.root.id || session.parentSession?.id === this.root.id;
  }
}

/** What the adapter puts into the configuration of a VM's session. */
interface Marker {
  machine: number;
  root: number;
  group: number;
}

/** The group that a session of a single VM shows; undefined for a root session. */
export function groupShown(session: vscode.DebugSession): number | undefined {
  const marker = session.configuration.__hvdap as Partial<Marker> | undefined;
  return typeof marker?.group === 'number' ? marker.group : undefined;
}
