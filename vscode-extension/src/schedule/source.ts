/** Where the page's answers come from: the webview's host, or the server that the page was loaded from. */
import type { Ask, Command, Notice, Questions, Reply, Signal } from './messages';

/** Who answers. */
export interface Source {
  /** Asks. Rejects with an `Error` that has one sentence for the user. */
  request<C extends Command>(command: C, wanted: Questions[C][0]): Promise<Questions[C][1]>;
  /** Calls back with what happens unasked. */
  onNotice(listener: (notice: Notice) => void): void;
  /** Tells what the user did. */
  signal(signal: Signal): void;
  /** Keeps what shall be there again when the page is shown again. */
  save(state: unknown): void;
  /** What was kept, from wherever it came. */
  saved(): unknown;
  /** Whether a click on a span can give its thread the focus. */
  readonly hasThreads: boolean;
}

/** What VS Code gives a webview. */
interface WebviewApi {
  postMessage(message: Ask | Signal): void;
  setState(state: unknown): void;
  getState(): unknown;
}

declare function acquireVsCodeApi(): WebviewApi;

/** The source of this page, wherever it runs. */
export function source(): Source {
  return 'acquireVsCodeApi' in globalThis ? new WebviewSource(acquireVsCodeApi(), window) : new ServerSource(location.href);
}

interface Waiting {
  resolve(body: never): void;
  reject(error: Error): void;
}

/** Answers by messages of the webview's host. */
export class WebviewSource implements Source {
  readonly hasThreads = true;
  private last = 0;
  private readonly waiting = new Map<number, Waiting>();
  private readonly listeners: ((notice: Notice) => void)[] = [];

  constructor(
    private readonly host: WebviewApi,
    page: Pick<Window, 'addEventListener'>,
  ) {
    page.addEventListener('message', (event) => {
      this.take(event.data as Reply | Notice);
    });
  }

  request<C extends Command>(command: C, wanted: Questions[C][0]): Promise<Questions[C][1]> {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.host.postMessage({ id, command, arguments: wanted });
    });
  }

  onNotice(listener: (notice: Notice) => void): void {
    this.listeners.push(listener);
  }

  signal(signal: Signal): void {
    this.host.postMessage(signal);
  }

  save(state: unknown): void {
    this.host.setState(state);
  }

  saved(): unknown {
    return this.host.getState();
  }

  private take(message: Reply | Notice): void {
    if (!('id' in message)) {
      for (const listener of this.listeners) {
        listener(message);
      }
      return;
    }
    const waiting = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if ('error' in message) {
      waiting?.reject(new Error(message.error));
    } else {
      waiting?.resolve(message.body as never);
    }
  }
}

/** Answers by the server of `hvdap trace view`, whose address ends with a slash. */
export class ServerSource implements Source {
  readonly hasThreads = false;

  constructor(private readonly address: string) {}

  async request<C extends Command>(command: C, wanted: Questions[C][0]): Promise<Questions[C][1]> {
    const body = JSON.stringify({ command: `hvdap/${command}`, arguments: wanted });
    let answer: { body?: Questions[C][1]; error?: string };
    try {
      const response = await fetch(new URL('request', this.address), { method: 'POST', body });
      answer = (await response.json()) as typeof answer;
    } catch {
      throw new Error('hvdap trace view has ended: start it again');
    }
    if (answer.body === undefined) {
      throw new Error(answer.error ?? 'the answer was empty');
    }
    return answer.body;
  }

  onNotice(listener: (notice: Notice) => void): void {
    const events = new EventSource(new URL('events', this.address));
    events.addEventListener('hvdap/scheduleChanged', (event: MessageEvent<string>) => {
      listener({ event: 'scheduleChanged', body: JSON.parse(event.data) as { until: number } });
    });
    events.addEventListener('error', () => {
      // The browser tries again by itself where only the connection broke.
      if (events.readyState === EventSource.CLOSED) {
        listener({ event: 'ended', body: {} });
      }
    });
  }

  signal(signal: Signal): void {
    if (signal.signal === 'export') {
      const address = new URL('export', this.address);
      const format = signal.format === 'csv' ? 'spans' : signal.format;
      address.search = `format=${format}&from=${signal.from}&to=${signal.to}`;
      const link = document.createElement('a');
      link.href = address.href;
      link.download = '';
      link.click();
    }
  }

  save(state: unknown): void {
    sessionStorage.setItem('hvdap.schedule', JSON.stringify(state));
  }

  saved(): unknown {
    return JSON.parse(sessionStorage.getItem('hvdap.schedule') ?? 'null');
  }
}
