/** `hvdap trace view FILE`: serves a recorded trace on the loopback interface. Knows nothing of VS Code. */

import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import type { Command, Format } from './messages.js';

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
    const question = JSON.stringify({ command: `hvdap/${command}`, arguments: body });
    const answer = JSON.parse(await textOf(await this.ask('request', question))) as { body?: unknown; error?: string };
    if (answer.error !== undefined) {
      throw new Error(answer.error);
    }
    return answer.body;
  }

  /** Writes a part of the trace to a file. Of CSV, the spans. */
  async export({ format, from, to }: { format: Format; from: number; to: number }, output: string): Promise<void> {
    const kind = format === 'csv' ? 'spans' : format;
    const response = await this.ask(`export?format=${kind}&from=${from}&to=${to}`);
    if (response.statusCode !== 200) {
      throw new Error(await textOf(response));
    }
    await pipeline(response, createWriteStream(output));
  }

  /** Calls back with the tick up to which the trace is read, whenever there is more, and at the end. */
  follow(more: (until: number) => void, ended: () => void): void {
    void this.ask('events').then((events) => {
      createInterface({ input: events }).on('line', (line) => {
        const until = untilOf(line);
        if (until !== undefined) {
          more(until);
        }
      });
    }, ended);
    this.child.once('close', ended);
  }

  stop(): void {
    this.child.kill();
  }

  private ask(path: string, body?: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
      const method = body === undefined ? 'GET' : 'POST';
      request(new URL(path, this.url), { method, headers }, resolve).on('error', reject).end(body);
    });
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

/** The tick in a line of server-sent events, `data: {"until": 1}`. */
export function untilOf(line: string): number | undefined {
  const data = /^data: (.*)$/.exec(line)?.[1];
  if (data === undefined) {
    return undefined;
  }
  try {
    const { until } = JSON.parse(data) as { until?: unknown };
    return typeof until === 'number' ? until : undefined;
  } catch {
    return undefined;
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    parts.push(part);
    length += part.length;
    if (length > LONGEST) {
      throw new Error(`an answer of more than ${LONGEST} bytes`);
    }
  }
  return Buffer.concat(parts).toString();
}
