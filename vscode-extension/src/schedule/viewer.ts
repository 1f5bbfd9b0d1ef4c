/** `hvdap trace view FILE`: serves a recorded trace on the loopback interface. Knows nothing of VS Code. */

import { spawn, type ChildProcess } from 'node:child_process';
import { request } from 'node:http';
import { createInterface } from 'node:readline';
import type { Command } from './messages.js';

/** How long the program may take until it serves, in milliseconds. */
const PATIENCE = 30_000;
/** The longest answer that is taken, in bytes. */
const LONGEST = 256 << 20;

/** A trace that is served. */
export class Viewer {
  private constructor(
    private readonly child: ChildProcess,
    private readonly url: URL,
  ) {}

  /**
   * Starts the program and waits until it serves.
   *
   * @throws with what it printed, when it cannot read the file.
   */
  static async start(binary: string, file: string): Promise<Viewer> {
    const child = spawn(binary, ['trace', 'view', file, '--no-open'], { stdio: ['ignore', 'pipe', 'pipe'] });
    try {
      return new Viewer(child, await served(child));
    } catch (error) {
      child.kill();
      throw error;
    }
  }

  /** @throws with the program's reason. */
  async request(command: Command, body: unknown): Promise<unknown> {
    const text = await post(new URL('request', this.url), JSON.stringify({ command, arguments: body }));
    const answer = JSON.parse(text) as { body?: unknown; error?: string };
    if (answer.error !== undefined) {
      throw new Error(answer.error);
    }
    return answer.body;
  }

  stop(): void {
    this.child.kill();
  }
}

/** The address out of the line `{"url": "http://127.0.0.1:PORT/TOKEN/"}`. */
function served(child: ChildProcess): Promise<URL> {
  return new Promise((resolve, reject) => {
    let complaint = '';
    const tooLate = setTimeout(() => {
      reject(new Error(`nothing is served after ${PATIENCE / 1000} s`));
    }, PATIENCE);
    child.once('error', reject);
    child.once('close', () => {
      clearTimeout(tooLate);
      reject(new Error(complaint.trim() === '' ? 'hvdap ended without a reason' : complaint.trim()));
    });
    child.stderr?.on('data', (bytes: Buffer) => {
      complaint = (complaint + bytes.toString()).slice(-2000);
    });
    if (child.stdout === null) {
      return;
    }
    createInterface({ input: child.stdout }).once('line', (line) => {
      clearTimeout(tooLate);
      const url = loopback(line);
      if (url === undefined) {
        reject(new Error('this hvdap serves no traces: update it'));
      } else {
        resolve(url);
      }
    });
  });
}

/** The address a line announces, if it is on this machine: nothing else is ever asked. */
export function loopback(line: string): URL | undefined {
  try {
    const { url } = JSON.parse(line) as { url?: unknown };
    const parsed = new URL(String(url));
    return parsed.protocol === 'http:' && parsed.hostname === '127.0.0.1' ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function post(url: URL, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const asked = request(url, { method: 'POST', headers }, (response) => {
      const parts: Buffer[] = [];
      let length = 0;
      response.on('data', (part: Buffer) => {
        parts.push(part);
        length += part.length;
        if (length > LONGEST) {
          response.destroy(new Error(`an answer of more than ${LONGEST} bytes`));
        }
      });
      response.on('error', reject);
      response.on('end', () => {
        resolve(Buffer.concat(parts).toString());
      });
    });
    asked.on('error', reject);
    asked.end(body);
  });
}
