import { Agent, request } from 'node:http';
import { splitLine, dated } from './origin.js';

export interface Ask {
  readonly method: string;
  readonly path: string;
  readonly lines: readonly string[];
  readonly body?: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

const agent = new Agent({ keepAlive: true });

/** One request, with its header lines as they are. */
export function ask(port: number, { method, path, lines, body }: Ask): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, method, agent }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const { statusCode = 0, headers, rawHeaders } = incoming;
        resolve({ status: statusCode, headers, rawHeaders, body: Buffer.concat(chunks).toString() });
      });
    });
    outgoing.on('error', reject);
    const repeated = new Map<string, string[]>();
    for (const line of lines) {
      const [name, value] = splitLine(dated(line));
      repeated.set(name, [...(repeated.get(name) ?? []), value]);
    }
    for (const [name, values] of repeated)
      outgoing.setHeader(name, values.length === 1 ? values[0]! : values);
    outgoing.end(body);
  });
}
