// The live target: Xen with two Linux guests under QEMU (tests/live/xen), and a workspace on it as a user would have it.
import { spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const BOOT_PATIENCE = 300_000;
const ECHO_PATIENCE = 30_000;
/** The emulated serial line keeps 32 characters and drops the rest; few at once are seldom broken by what others say. */
const CHUNK = 2;

export class Target {
  /** Boots it to both shells. RAM is a file, and Xen has trace buffers, so that it can be recorded while it runs. */
  static async boot(artefacts) {
    // Names of sockets have to be short.
    const run = join(tmpdir(), `hvdap-${process.pid}`);
    mkdirSync(run);
    const ram = join(run, 'ram');
    const log = openSync(join(run, 'qemu.log'), 'w');
    const environment = { RAM_FILE: ram, XEN_ARGS: 'tbuf_size=64', DOM0_ARGS: 'loglevel=1 tb.load=1', DOMU_ARGS: 'loglevel=1 tb.load=1' };
    const boot = join(import.meta.dirname, '../live/xen/boot');
    const qemu = spawn(boot, [artefacts, run], {
      env: { ...process.env, ...environment, END_WITH_PARENT: '1' },
      stdio: ['ignore', 'ignore', log],
    });
    const target = new Target(qemu, artefacts, run, ram);
    try {
      await target.#ready();
    } catch (error) {
      target.stop();
      throw error;
    }
    return target;
  }

  constructor(qemu, artefacts, run, ram) {
    Object.assign(this, { qemu, artefacts, run, ram });
  }

  stop() {
    this.console?.destroy();
    this.qemu.kill('SIGKILL');
    rmSync(this.run, { recursive: true, force: true });
  }

  /** Types a line into DomU's shell. */
  async typeInDomU(line) {
    this.console = connect(join(this.run, 'con.sock'));
    // Three Ctrl-A hand the input on: Xen, Dom0, DomU.
    await this.#until('the input is with DomU', async () => {
      const before = this.#raw().length;
      const answer = () => /Serial input to (\w+)[^\n]*\n/.exec(this.#raw().slice(before))?.[1];
      this.console.write('\x01\x01\x01');
      await this.#until('who has the input', answer);
      return answer() === 'DOM1';
    });
    for (let at = 0; at < line.length; at += CHUNK) {
      const part = line.slice(at, at + CHUNK);
      const before = this.#said().length;
      this.console.write(part);
      await this.#until(`the echo of ${part}`, () => this.#said().slice(before).includes(squeezed(part)));
    }
    this.console.write('\r');
  }

  /** A folder with a machine file, a launch configuration and the sources. */
  workspace(folder) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(join(folder, '.vscode'), { recursive: true });
    const file = (name) => JSON.stringify(join(this.artefacts, name));
    for (const source of ['xen-src', 'linux-source-6.1', 'linux-source-6.12']) {
      symlinkSync(join(this.artefacts, 'src', source), join(folder, source));
    }
    const vm = (name, image, source) =>
      `[[vm]]\nname = "${name}"\nimage = ${file(image)}\nsource-map = { "/usr/src/${source}" = "${source}" }\n`;
    const ram = `ram = [{ file = "${this.ram}", address = 0x40000000, size = "256M" }]`;
    writeFileSync(
      join(folder, 'hvdap.toml'),
      [
        `[target]\nconnect = "gdb:unix:${this.run}/gdb.sock"\n${ram}\n`,
        `[hypervisor]\nimage = ${file('xen-syms')}\nsource-map = { "/usr/src/xen-src" = "xen-src" }\n`,
        vm('Dom0', 'vmlinux-dom0', 'linux-source-6.12'),
        vm('DomU', 'vmlinux-domu', 'linux-source-6.1'),
      ].join('\n'),
    );
    const attach = { type: 'hvdap', request: 'attach', name: 'Xen', machine: '${workspaceFolder}/hvdap.toml' };
    writeFileSync(
      join(folder, '.vscode/launch.json'),
      JSON.stringify({ version: '0.2.0', configurations: [attach] }, null, 2),
    );
  }

  #raw() {
    return readFileSync(join(this.run, 'con.log'), 'latin1');
  }

  /** The console without what Xen puts into the guests' lines, and without the breaks it makes in them. */
  #said() {
    return squeezed(this.#raw().replace(/\(XEN\) (DOM\d+: )?/g, ''));
  }

  #ready() {
    const greeted = () => this.#said().split(squeezed("Enter 'help' for a list")).length > 2;
    return this.#until('both shells', greeted, BOOT_PATIENCE);
  }

  async #until(what, look, patience = ECHO_PATIENCE) {
    const deadline = Date.now() + patience;
    while (Date.now() < deadline) {
      if (this.qemu.exitCode !== null) {
        throw new Error(`QEMU ended: ${readFileSync(join(this.run, 'qemu.log'), 'utf8')}`);
      }
      try {
        if (await look()) {
          return;
        }
      } catch (error) {
        if (error.code !== 'ENOENT') {
          throw error;
        }
      }
      await sleep(50);
    }
    throw new Error(`still not: ${what}; the console said last: ${this.#said().slice(-300)}`);
  }
}

function squeezed(text) {
  return text.replace(/\s/g, '');
}
