import * as vscode from 'vscode';
import { describe } from '../errors.js';
import type { Program } from './program.js';
import { AdapterServer } from './server.js';

/** Starts one adapter for each machine attached to, and sends the sessions of that machine's VMs to the same one. */
export class AdapterServers implements vscode.DebugAdapterDescriptorFactory {
  /** By the number of the session. */
  private readonly servers = new Map<string, AdapterServer>();
  private readonly ending: vscode.Disposable;

  constructor(private readonly program: Program) {
    this.ending = vscode.debug.onDidTerminateDebugSession((session) => {
      this.servers.delete(session.id);
    });
  }

  async createDebugAdapterDescriptor(session: vscode.DebugSession): Promise<vscode.DebugAdapterDescriptor> {
    const server = this.ofParent(session) ?? (await this.start());
    this.servers.set(session.id, server);
    return new vscode.DebugAdapterServer(server.port, '127.0.0.1');
  }

  dispose(): void {
    this.ending.dispose();
    for (const server of new Set(this.servers.values())) {
      server.stop();
    }
  }

  private ofParent(session: vscode.DebugSession): AdapterServer | undefined {
    const server = session.parentSession && this.servers.get(session.parentSession.id);
    return server?.isAlive === true ? server : undefined;
  }

  private async start(): Promise<AdapterServer> {
    const { path } = await this.program.find();
    const log = (line: string): void => {
      this.program.log.info(line);
    };
    let server: AdapterServer;
    try {
      server = await AdapterServer.start(path, log);
    } catch (error) {
      throw new Error(`${path} cannot be started: ${describe(error)}`, { cause: error });
    }
    void this.watch(server);
    return server;
  }

  /** Ends the sessions of a server that is gone, and says so when it should not be. */
  private async watch(server: AdapterServer): Promise<void> {
    const { code, signal } = await server.ended;
    this.program.log.info(`the adapter ended: ${signal ?? `status ${String(code)}`}`);
    const left = [...this.servers].filter(([, other]) => other === server).map(([id]) => id);
    if (left.length > 0 && code !== 0) {
      void this.program.complain('The debug adapter hvdap ended unexpectedly; its sessions are over.');
    }
    for (const id of left) {
      this.servers.delete(id);
    }
  }
}
