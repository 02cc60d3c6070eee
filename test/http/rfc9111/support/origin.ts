import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the origin answers; header lines as `Name: value`, so that they may repeat. */
export interface Script {
  readonly status?: number;
  readonly lines?: readonly string[];
  readonly body?: string;
  /** Takes the connection down instead of answering. */
  readonly breaks?: boolean;
  /** Milliseconds before it answers. */
  readonly delay?: number;
}

/** What the origin was asked. */
export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

/** A server that answers what it was told to, and nothing of its own but the framing. */
export class ScriptedOrigin {
  readonly asked: Asked[] = [];
  #script: Script = {};
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Forgets what it was asked, and answers this from now on. */
  play(script: Script): void {
    this.#script = script;
    this.asked.length = 0;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status = 200, lines = [], body = '', breaks = false, delay = 0 } = this.#script;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = '', url = '', headers, rawHeaders } = request;
    this.asked.push({ method, url, headers, rawHeaders, body: Buffer.concat(chunks).toString() });
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    if (breaks) return void request.socket.destroy();
    response.sendDate = false;
    const head = lines.flatMap((line) => splitLine(dated(line)));
    response.writeHead(status, head);
    response.end(method === 'HEAD' || status === 304 || status === 204 ? undefined : body);
  }
}

/** `Name: value` as its two parts. */
export function splitLine(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}

/** `{-10}` is the HTTP-date of ten seconds ago, `{850:-10}` and `{asc:-10}` the same in the obsolete formats. */
export function dated(line: string): string {
  return line.replace(/\{(850:|asc:)?(-?\d+)\}/g, (_, format: string | undefined, seconds: string) => {
    const date = new Date(Date.now() + Number(seconds) * 1000).toUTCString();
    const [, day, days, month, year, time] = /^(\w+), (\d\d) (\w+) (\d+) ([\d:]+) GMT$/.exec(date)!;
    if (format === '850:') return `${LONG[day!]}, ${days}-${month}-${year!.slice(2)} ${time} GMT`;
    if (format === 'asc:') return `${day} ${month} ${days!.replace(/^0/, ' ')} ${time} ${year}`;
    return date;
  });
}

const LONG: Record<string, string> = {
  Mon: 'Monday',
  Tue: 'Tuesday',
  Wed: 'Wednesday',
  Thu: 'Thursday',
  Fri: 'Friday',
  Sat: 'Saturday',
  Sun: 'Sunday',
};
