import type { RawResponse } from './raw-response.interface.js';

type HeaderValueArgument = string | number | readonly string[];

/**
 * Sets the status and the headers that `writeHead(status, reason?, headers?)` was called with, so that they can be
 * judged with the others. Headers may be an object, a flat list of names and values, or a list of pairs; in lists,
 * names may repeat. As in Node, they override those set before.
 *
 * @returns the reason phrase, if one was given
 */
export function applyHeadArguments(response: RawResponse, args: readonly unknown[]): string | undefined {
  const [status, second, third] = args;
  response.statusCode = Number(status);
  const reason = typeof second === 'string' ? second : undefined;
  const headers = reason === undefined ? (second ?? third) : third;
  if (Array.isArray(headers)) setList(response, headers);
  else if (typeof headers === 'object' && headers !== null)
    setRecord(response, headers as Record<string, HeaderValueArgument>);
  return reason;
}

function setRecord(response: RawResponse, headers: Record<string, HeaderValueArgument>): void {
  for (const name of Object.keys(headers)) {
    if (name) response.setHeader(name, headers[name]!);
  }
}

function setList(response: RawResponse, headers: readonly unknown[]): void {
  const flat = Array.isArray(headers[0]) ? headers.flat(1) : headers;
  const byName = new Map<string, { name: string; values: string[] }>();
  for (let index = 0; index < flat.length; index += 2) {
    const name = String(flat[index]);
    const known = byName.get(name.toLowerCase()) ?? { name, values: [] };
    known.values.push(...[flat[index + 1]].flat().map(String));
    byName.set(name.toLowerCase(), known);
  }
  for (const { name, values } of byName.values()) {
    response.setHeader(name, values.length === 1 ? values[0]! : values);
  }
}
