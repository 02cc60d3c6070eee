import type { IncomingMessage, ServerResponse } from 'node:http';

/** They belong to one connection (RFC 9110 §7.6.1); Node writes its own. */
const HOP_BY_HOP = [
  ...['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'],
  ...['proxy-authenticate', 'proxy-authorization', 'expect'],
];

/** Headers as they came, in their order and spelling, repeated ones as lists; without those of the connection. */
export function forwardedHeaders(rawHeaders: readonly string[]): Iterable<[name: string, values: string[]]> {
  const hop = new Set([...HOP_BY_HOP, ...namedByConnection(rawHeaders)]);
  const headers = new Map<string, [string, string[]]>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    const lower = name.toLowerCase();
    if (hop.has(lower)) continue;
    const known = headers.get(lower);
    if (known === undefined) headers.set(lower, [name, [rawHeaders[index + 1]!]]);
    else known[1].push(rawHeaders[index + 1]!);
  }
  return headers.values();
}

function namedByConnection(rawHeaders: readonly string[]): string[] {
  const names: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]!.toLowerCase() !== 'connection') continue;
    names.push(...rawHeaders[index + 1]!.split(',').map((name) => name.trim().toLowerCase()));
  }
  return names;
}

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Sends what the origin answered; a body that breaks off there breaks off here. */
export function sendAnswer(answer: IncomingMessage, client: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    for (const [name, values] of forwardedHeaders(answer.rawHeaders))
      client.setHeader(name, values.length === 1 ? values[0]! : values);
    client.writeHead(answer.statusCode!, answer.statusMessage);
    answer.on('error', () => client.destroy());
    answer.on('close', () => {
      if (!answer.complete) client.destroy();
    });
    client.on('close', resolve);
    answer.pipe(client);
  });
}
