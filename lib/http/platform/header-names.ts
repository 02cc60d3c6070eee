/**
 * Headers that belong to one connection or one message, never to what was cached: the hop-by-hop ones (RFC 9110 §7.6.1),
 * those meant for a proxy (RFC 9111 §3.1), the framing, which each replay computes anew, and the Date, which each
 * response has of its own.
 */
const UNSTORABLE = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'content-length',
  'date',
]);

/**
 * What a 304 leaves out: the framing and the metadata of a representation it does not carry (RFC 9110 §15.4.5).
 */
export const ABSENT_FROM_NOT_MODIFIED: readonly string[] = Object.freeze([
  'content-type',
  'content-length',
  'content-encoding',
  'content-language',
  'content-range',
  'transfer-encoding',
]);

/** Statuses whose responses have no body, whatever the handler wrote (RFC 9110 §6.4.1). */
export function hasNoBody(status: number): boolean {
  return status === 204 || status === 304 || status < 200;
}

/** A test for the headers that are never stored, including those that this response's Connection header names. */
export function unstorableHeaders(
  connection: string | string[] | number | undefined,
): (lowerName: string) => boolean {
  if (connection === undefined) return (name) => UNSTORABLE.has(name);
  const named = new Set(
    String(connection)
      .toLowerCase()
      .split(',')
      .map((member) => member.trim()),
  );
  return (name) => UNSTORABLE.has(name) || named.has(name);
}
