import { request } from 'node:http';

export interface WireResponse {
  readonly status: number;
  /** Lower-case names, in the order of the wire, repeated ones apart. */
  readonly headers: [string, string][];
  readonly body: Buffer;
  get(name: string): string | undefined;
}

export interface WireOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
}

/** One request on a connection of its own, with what came over the wire left as it is. */
export function fetchRaw(port: number, path: string, options: WireOptions = {}): Promise<WireResponse> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, agent: false, ...options }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const headers = pairs(incoming.rawHeaders);
        const get = (name: string): string | undefined =>
          headers.find(([key]) => key === name.toLowerCase())?.[1];
        resolve({ status: incoming.statusCode!, headers, body: Buffer.concat(chunks), get });
      });
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** What must be the same on a miss and on its hits: all but the moment, the connection and the framing. */
export function essence({ status, headers, body }: WireResponse): object {
  const changing = new Set([
    'date',
    'connection',
    'keep-alive',
    'content-length',
    'transfer-encoding',
    'x-request-id',
  ]);
  const kept = headers.filter(([name]) => !changing.has(name));
  const comparable = kept.map(([name, value]) =>
    [name, name === 'vary' ? value.toLowerCase() : value].join(': '),
  );
  return { status, headers: comparable.sort(), body: body.toString('latin1') };
}

function pairs(raw: string[]): [string, string][] {
  const result: [string, string][] = [];
  for (let index = 0; index < raw.length; index += 2)
    result.push([raw[index]!.toLowerCase(), raw[index + 1]!]);
  return result;
}
