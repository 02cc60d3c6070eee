import type { AddedHeaders } from '../platform.interface.js';

type VaryValue = string | readonly string[] | number | undefined;

/** The members of a Vary header: lower case, each once, in their order. */
export function varyMembers(value: VaryValue): string[] {
  return [...new Set(listMembers(value).map((member) => member.toLowerCase()))];
}

/** The members in their original spelling. */
export function listMembers(value: VaryValue): string[] {
  if (value === undefined) return [];
  const members: string[] = [];
  for (const part of String(value).split(',')) {
    const member = part.trim();
    if (member !== '') members.push(member);
  }
  return members;
}

/**
 * Merges the Vary of the live response with the members that the stored one adds.
 *
 * @param current Vary of the live response, whose spelling is kept
 * @param members members to append
 */
export function appendVary(current: VaryValue, members: readonly string[]): string | readonly string[] {
  if (current === undefined || current === '') return members.length === 1 ? members[0]! : members.join(', ');
  const present = varyMembers(current);
  if (present.includes('*') || members.includes('*')) return '*';
  const each = members.flatMap(listMembers);
  const missing = each.filter((member) => !present.includes(member.toLowerCase()));
  if (missing.length === 0) return typeof current === 'number' ? String(current) : current;
  return [String(current), ...missing].join(', ');
}

/**
 * An Express response, a Fastify reply or a plain `ServerResponse`.
 *
 * @publicApi
 */
export interface HeaderTarget {
  /** Express and Node. */
  setHeader?(name: string, value: string): unknown;
  /** Fastify. */
  header?(name: string, value: string): unknown;
}

/** Adds a header, unless the response has it already: the handler may overwrite it. */
export function addIfAbsent(
  response: HeaderTarget & { getHeader?(name: string): unknown },
  name: string,
  value: string,
): void {
  if (response.getHeader?.(name) === undefined) addHeaders(response, { [name]: value });
}

/** Adds headers to a response at once, before the handler runs. */
export function addHeaders(response: HeaderTarget, headers: AddedHeaders): void {
  for (const name in headers) {
    if (response.setHeader !== undefined) response.setHeader(name, headers[name]!);
    else response.header?.(name, headers[name]!);
  }
}
