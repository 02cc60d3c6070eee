import { addressHeaderNames } from '../inputs/neutral-headers.js';
import { runUnobserved } from '../inputs/observed-reads.js';
import type { Peer } from '../platform.interface.js';

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** An address that no client has: IPv4 from 240.0.0.0/4, IPv6 from 2001:db8::/32 (RFC 1112, RFC 3849). */
export function unusedAddress(like: string): string {
  const byte = (): number => Math.floor(Math.random() * 256);
  const v4 = [240 + (byte() % 15), byte(), byte(), 1 + (byte() % 254)].join('.');
  if (/^::ffff:/i.test(like)) return `::ffff:${v4}`;
  if (!like.includes(':')) return v4;
  const group = (): string => Math.floor(Math.random() * 65536).toString(16);
  return `2001:db8:${group()}:${group()}::1`;
}

/** The parts of a request that tell the address of its client. */
export interface AddressedParts {
  readonly headers: Headers;
  readonly rawHeaders: readonly string[];
  readonly peer: Peer;
}

/**
 * Replaces the address of the client, on the connection and in the headers of proxies, by one that no client has: rate limiters count
 * clients by it. The addresses of proxies stay, since applications trust those.
 *
 * @param request as the platform sees it
 */
export function withUnusedAddress(request: object, parts: AddressedParts): AddressedParts {
  const { peer } = parts;
  const seen = runUnobserved(() => (request as { readonly ip?: unknown }).ip);
  const client = typeof seen === 'string' && seen !== '' ? seen : peer.remoteAddress;
  if (client === undefined) return parts;
  const unused = unusedAddress(client);
  const replaced = (text: string): string => text.replaceAll(client, unused);
  const headers = Object.fromEntries(
    Object.entries(parts.headers).map(([name, value]) => [
      name,
      typeof value === 'string' && addressHeaderNames.has(name) ? replaced(value) : value,
    ]),
  );
  const rawHeaders = parts.rawHeaders.map((text, index) =>
    index % 2 === 1 && addressHeaderNames.has(parts.rawHeaders[index - 1]!.toLowerCase())
      ? replaced(text)
      : text,
  );
  const isDirect = peer.remoteAddress === client;
  return { headers, rawHeaders, peer: isDirect ? peerAt(peer, unused) : peer };
}

/** A copy: the properties of a socket are accessors. */
export function peerAt({ remotePort, remoteFamily, encrypted }: Peer, remoteAddress: string): Peer {
  return { remoteAddress, remotePort, remoteFamily, encrypted };
}
