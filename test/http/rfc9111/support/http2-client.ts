import { connect, type ClientHttp2Session } from 'node:http2';
import type { Answer, Ask } from './client.js';
import { dated, splitLine } from './origin.js';

/** Asks over one HTTP/2 session. */
export class Http2Client {
  readonly #session: ClientHttp2Session;

  constructor(port: number) {
    this.#session = connect(`http://127.0.0.1:${port}`);
  }

  ask({ method, path, lines, body }: Ask): Promise<Answer> {
    const repeated: Record<string, string[]> = {};
    for (const line of lines) {
      const [name, value] = splitLine(dated(line));
      (repeated[name.toLowerCase()] ??= []).push(value);
    }
    return new Promise((resolve, reject) => {
      const stream = this.#session.request(
        { ':method': method, ':path': path, ':authority': 'origin.test', ...repeated },
        { endStream: body === undefined },
      );
      const chunks: Buffer[] = [];
      let head: Record<string, string | string[] | undefined> = {};
      stream.on('response', (headers) => void (head = headers as typeof head));
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('close', () => reject(new Error('the answer was cut off')));
      stream.on('end', () =>
        resolve({
          status: Number(head[':status']),
          headers: head,
          rawHeaders: [],
          body: Buffer.concat(chunks).toString(),
        }),
      );
      if (body !== undefined) stream.end(body);
    });
  }

  close(): void {
    this.#session.destroy();
  }
}
