/** One running `hvdap dap`, which serves every session of a machine by TCP on the loopback interface. */

import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

/** How long the program may take to listen, in milliseconds. */
const PATIENCE = 15_000;

/** How a server ended. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A server that listens. */
export class AdapterServer {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
    /** Resolved when the process is gone, for whatever reason. */
    readonly ended: Promise<Ended>,
  ) {}

  /**
   * Starts the program and waits until it listens.
   *
   * @param log is told every line it prints.
   * @throws it cannot be started, or ends or is silent instead of listening.
   */
  static async start(binary: string, log: (line: string) => void): Promise<AdapterServer> {
    // Ended by itself when the last session left, or this process is gone.
    const child = spawn(binary, ['dap', '--listen', '127.0.0.1:0', '--once', '-v'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const ended = new Promise<Ended>((resolve) => {
      child.once('close', (code, signal) => {
        resolve({ code, signal });
      });
    });
    try {
      return new AdapterServer(child, await listening(child, ended, log), ended);
    } catch (error) {
      child.kill();
      throw error;
    }
  }

  /** Whether the process still runs. */
  get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Asks it to give the machine back and end. */
  stop(): void {
    this.child.kill('SIGTERM');
  }
}

/** The port, out of the line `listening on 127.0.0.1:PORT`. */
function listening(child: ChildProcess, ended: Promise<Ended>, log: (line: string) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    const tooLate = setTimeout(() => {
      reject(new Error(`it does not listen after ${PATIENCE / 1000} s`));
    }, PATIENCE);
    child.once('error', reject);
    void ended.then(({ code, signal }) => {
      clearTimeout(tooLate);
      reject(new Error(`it ended at once (${signal ?? `status ${String(code)}`})`));
    });
    if (child.stderr === null) {
      return;
    }
    createInterface({ input: child.stderr }).on('line', (line) => {
      log(line);
      const port = /^listening on .*:(\d+)$/.exec(line)?.[1];
      if (port !== undefined) {
        clearTimeout(tooLate);
        resolve(Number(port));
      }
    });
  });
}
