import type { Socket } from 'node:net';
import type { KeyRequest } from '../../keys/key.interface.js';
import type { Peer } from '../platform.interface.js';

/** Hosts that are remembered for a route. Few, because a client can send any host. */
const MAX_ORIGINS = 4;

/** Headers that name the host of a request. */
const HEADERS = ['host', 'x-forwarded-host', 'x-forwarded-proto'] as const;

/** Host and proxy headers of a recent request, replayed when rewarming: keys and links contain them. */
export interface RecentHost {
  readonly headers: Readonly<Record<string, string>>;
  readonly peer: Peer;
}

/** The hosts of the latest requests to one route. */
export class RecentHosts {
  #origins: readonly RecentHost[] = [];

  /** Called with each request. */
  note(request: KeyRequest): void {
    const last = this.#origins[0];
    if (last !== undefined && HEADERS.every((name) => request.headers[name] === last.headers[name])) return;
    const socket = socketOf(request);
    if (socket === undefined) return;
    const headers = Object.fromEntries(
      HEADERS.map((name) => [name, request.headers[name]]).filter(([, value]) => typeof value === 'string'),
    ) as RecentHost['headers'];
    const { remoteAddress, remotePort, remoteFamily, encrypted } = socket;
    const origin = { headers, peer: { remoteAddress, remotePort, remoteFamily, encrypted } };
    const others = this.#origins.filter((one) => HEADERS.some((name) => one.headers[name] !== headers[name]));
    this.#origins = [origin, ...others].slice(0, MAX_ORIGINS);
  }

  /** The remembered hosts, latest first; only those with a host name, if one is given. */
  of(host?: string): readonly RecentHost[] {
    if (host === undefined) return this.#origins;
    return this.#origins.filter(
      ({ headers }) => (headers['x-forwarded-host'] ?? headers['host'])?.toLowerCase() === host.toLowerCase(),
    );
  }
}

/** The socket's request: an Express request is Node's own, a Fastify request wraps it. */
function socketOf(request: KeyRequest): (Socket & Peer) | undefined {
  const { raw, socket } = request as { raw?: { socket?: Socket & Peer }; socket?: Socket & Peer };
  return raw?.socket ?? socket;
}
