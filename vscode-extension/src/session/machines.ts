import * as vscode from 'vscode';
import { TYPE } from '../identifiers.js';
import { groupShown, Machine, type Place } from './machine.js';
import { Requests } from './requests.js';

/** Changes that come closer together than this, in milliseconds, are shown at once. */
const SETTLED = 60;

/** An event of the adapter, `hvdap/…`, of a machine. */
export interface MachineEvent {
  machine: Machine;
  event: string;
  body: unknown;
}

/** A stop that is about a thread of this session. */
export interface Stop {
  machine: Machine;
  session: vscode.DebugSession;
  threadId: number;
}

/** Every machine attached to, kept up to date from what its sessions say. */
export class Machines implements vscode.DebugAdapterTrackerFactory {
  private readonly machines = new Map<string, Machine>();
  private readonly changed = new vscode.EventEmitter<Machine | undefined>();
  private readonly told = new vscode.EventEmitter<MachineEvent>();
  private readonly stopped = new vscode.EventEmitter<Stop>();
  private readonly pending = new Map<Machine, NodeJS.Timeout>();
  private readonly disposables: { dispose(): unknown }[];

  /** A machine came, went, halted, runs, or is known better. */
  readonly onDidChange = this.changed.event;
  /** Events `hvdap/…`. */
  readonly onEvent = this.told.event;
  /** The machine halted; told of the session whose thread it is about. */
  readonly onDidStop = this.stopped.event;

  constructor(readonly requests: Requests) {
    this.disposables = [
      vscode.debug.onDidStartDebugSession((session) => {
        this.started(session);
      }),
      vscode.debug.onDidTerminateDebugSession((session) => {
        this.ended(session);
      }),
      vscode.debug.onDidReceiveDebugSessionCustomEvent((event) => {
        this.received(event);
      }),
      this.changed,
      this.told,
      this.stopped,
    ];
  }

  get all(): Machine[] {
    return [...this.machines.values()];
  }

  /** The machine that a session shows. */
  of(session: vscode.DebugSession | undefined): Machine | undefined {
    return session && this.all.find((machine) => machine.shows(session));
  }

  /** The machine the user looks at, or the only one. */
  get active(): Machine | undefined {
    return this.of(vscode.debug.activeDebugSession) ?? this.all.at(0);
  }

  /** The thread the user looks at, else the one the last halt was about. */
  focused(): ({ machine: Machine } & Place) | undefined {
    const item = vscode.debug.activeStackItem;
    const machine = this.of(item?.session) ?? this.active;
    const threadId = item !== undefined && machine?.shows(item.session) ? item.threadId : machine?.stoppedThread;
    const place = threadId === undefined ? undefined : machine?.find(threadId);
    return machine && place && { machine, ...place };
  }

  createDebugAdapterTracker(session: vscode.DebugSession): vscode.DebugAdapterTracker {
    return {
      onDidSendMessage: (message: unknown) => {
        this.follow(session, message as Message);
      },
    };
  }

  dispose(): void {
    for (const timer of this.pending.values()) {
      clearTimeout(timer);
    }
    for (const disposable of this.disposables) {
      disposable.dispose();
    }
  }

  private started(session: vscode.DebugSession): void {
    const group = groupShown(session);
    if (session.type !== TYPE || group === undefined) {
      return;
    }
    const machine = this.of(session);
    machine?.children.set(group, session);
    this.changed.fire(machine);
  }

  private ended(session: vscode.DebugSession): void {
    const machine = this.of(session);
    if (machine === undefined) {
      return;
    }
    if (session.id === machine.root.id) {
      this.machines.delete(session.id);
      clearTimeout(this.pending.get(machine));
      this.pending.delete(machine);
    } else {
      machine.children.delete(groupShown(session) ?? -1);
    }
    this.changed.fire(undefined);
  }

  private received({ session, event, body }: vscode.DebugSessionCustomEvent): void {
    const machine = session.type === TYPE ? this.of(session) : undefined;
    if (machine === undefined) {
      return;
    }
    if (event === 'hvdap/groupsChanged') {
      this.refreshSoon(machine);
    }
    this.told.fire({ machine, event, body });
  }

  /** Learns from a message of the adapter whether the machine runs. */
  private follow(session: vscode.DebugSession, message: Message): void {
    if (isAttached(message) && groupShown(session) === undefined) {
      const machine = new Machine(session);
      this.machines.set(session.id, machine);
      this.changed.fire(machine);
      void this.requests.tryTo(session, 'hvdap/subscribe', { events: true });
      this.refreshSoon(machine);
      return;
    }
    const machine = this.of(session);
    if (machine === undefined) {
      return;
    }
    if (message.type === 'event' && message.event === 'stopped') {
      this.halted(machine, session, message.body ?? {});
    } else if (saysRunning(message) && machine.halted) {
      machine.halted = false;
      this.changed.fire(machine);
    }
  }

  private halted(machine: Machine, session: vscode.DebugSession, stop: StopBody): void {
    machine.halted = true;
    if (stop.threadId !== undefined && stop.preserveFocusHint !== true) {
      machine.stoppedThread = stop.threadId;
      this.stopped.fire({ machine, session, threadId: stop.threadId });
    }
    this.refreshSoon(machine);
  }

  private refreshSoon(machine: Machine): void {
    clearTimeout(this.pending.get(machine));
    this.pending.set(
      machine,
      setTimeout(() => {
        this.pending.delete(machine);
        void this.refresh(machine);
      }, SETTLED),
    );
  }

  private async refresh(machine: Machine): Promise<void> {
    try {
      await machine.refresh();
    } catch (error) {
      // A session that ends meanwhile answers nothing more.
      if (this.machines.has(machine.root.id)) {
        this.requests.refused(machine.root, 'hvdap/machine', error);
      }
      return;
    }
    this.changed.fire(machine);
  }
}

/** What is looked at of a message of the adapter. */
interface Message {
  type: string;
  event?: string;
  command?: string;
  success?: boolean;
  body?: StopBody;
}

/** What is looked at of the event `stopped`. */
interface StopBody {
  threadId?: number;
  preserveFocusHint?: boolean;
}

function isAttached(message: Message): boolean {
  return (
    message.type === 'response' &&
    message.success === true &&
    (message.command === 'attach' || message.command === 'launch')
  );
}

const RUNNING = new Set(['continue', 'next', 'stepIn', 'stepOut']);

function saysRunning(message: Message): boolean {
  return message.type === 'event'
    ? message.event === 'continued'
    : message.success === true && RUNNING.has(message.command ?? '');
}
