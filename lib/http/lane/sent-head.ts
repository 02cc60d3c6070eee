import type { ServerResponse } from 'node:http';
import type { AddedHeaders, RecordedResponse } from '../platform.interface.js';

export interface SentHead {
  readonly status: number;
  readonly lines: readonly (readonly [name: string, value: string])[];
}

/** Headers that Node adds to each response, as its connection needs them. */
const OF_CONNECTION: ReadonlySet<string> = new Set(['connection', 'date', 'keep-alive']);

/**
 * The head of a response as it was sent. Node keeps its text on the response, in a member that is not documented: where that is missing,
 * nothing is learnt, so that nothing is answered on the lane.
 */
export function sentHead(response: ServerResponse): SentHead | undefined {
  const { _header: text } = response as { readonly _header?: unknown };
  if (typeof text !== 'string' || !text.startsWith('HTTP/1.1 ')) return undefined;
  // Middleware has set it, so it is not Node's.
  if (response.getHeader('connection') !== undefined || response.getHeader('date') !== undefined)
    return undefined;
  const [first, ...rest] = text.split('\r\n');
  const lines = rest.filter((line) => line !== '').map(parseLine);
  if (lines.some(([name, value]) => name === '' || !IS_ASCII.test(value))) return undefined;
  return { status: Number(first!.slice(9, 12)), lines: lines.filter(([name]) => !isOfConnection(name)) };
}

const IS_ASCII = /^[\t\x20-\x7e]*$/;

function parseLine(line: string): readonly [string, string] {
  const colon = line.indexOf(': ');
  return [line.slice(0, Math.max(0, colon)), line.slice(colon + 2)];
}

function isOfConnection(name: string): boolean {
  return OF_CONNECTION.has(name.toLowerCase());
}

/**
 * Response headers that middleware sets alike for all requests of one origin. Others may belong to one request, such as an id, a rate limit
 * or a nonce: a route that sends one stays out of the lane.
 */
const STEADY: ReadonlySet<string> = new Set([
  ...['access-control-allow-credentials', 'access-control-allow-origin', 'access-control-expose-headers'],
  ...['cache-control', 'cdn-cache-control', 'pragma', 'surrogate-control', 'vary'],
  ...['content-security-policy', 'content-security-policy-report-only', 'permissions-policy'],
  ...['cross-origin-embedder-policy', 'cross-origin-opener-policy', 'cross-origin-resource-policy'],
  ...['origin-agent-cluster', 'referrer-policy', 'strict-transport-security', 'timing-allow-origin'],
  ...['x-content-type-options', 'x-dns-prefetch-control', 'x-download-options', 'x-frame-options'],
  ...['x-permitted-cross-domain-policies', 'x-powered-by', 'x-xss-protection', 'server', 'alt-svc'],
]);

/** The lines of a head that other code than this cache has set, or the name of the first one that must not be repeated. */
export type Upstream =
  { readonly lines: string; readonly refused?: undefined } | { readonly refused: string };

/** @param named lower-case names that the application allows */
export function upstreamOf(
  { lines, status }: SentHead,
  recorded: RecordedResponse,
  added: AddedHeaders,
  named: ReadonlySet<string>,
): Upstream {
  const own = new Set<string>();
  const add = (name: string, value: string): void => void own.add(`${name.toLowerCase()}: ${value}`);
  for (const [name, value] of recorded.headers)
    for (const one of typeof value === 'string' ? [value] : value) add(name, one);
  for (const [name, value] of Object.entries(added)) add(name, value);
  add('content-length', String(recorded.body.length));
  if (status === 304) add('content-length', '0');
  let others = '';
  for (const [name, value] of lines) {
    const known = name.toLowerCase();
    if (own.has(`${known}: ${value}`)) continue;
    if (known === 'set-cookie' || !(STEADY.has(known) || named.has(known))) return { refused: known };
    others += `${known}: ${value}\n`;
  }
  return { lines: others };
}
