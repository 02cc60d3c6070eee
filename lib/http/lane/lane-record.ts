import type { IncomingMessage } from 'node:http';
import type { Call } from '../../cache/engine/call.js';
import type { Peer } from '../platform.interface.js';
import type { RequestInput } from '../inputs/request-input.js';
import type { CachedRoute } from '../route/cached-route.js';
import type { LaneHead } from './lane-head.js';

export type LaneHeaders = IncomingMessage['headers'];

/** A request as the lane compares it. */
export interface LaneRequest {
  readonly method?: string | undefined;
  readonly headers: LaneHeaders;
  readonly socket: Peer;
}

/** Request headers that send a request to the pipeline: credentials, parts, conditions for the origin, bodies and explanations. */
const OF_PIPELINE = [
  ...['authorization', 'x-api-key', 'x-cache-explain'],
  ...['range', 'if-range', 'if-match', 'if-unmodified-since'],
  ...['transfer-encoding', 'trailer', 'expect', 'upgrade'],
] as const;

/**
 * Request headers whose values every record holds: the host, the headers by which platforms and their built-in middleware choose scheme,
 * host and headers of the response, and `accept-version`, by which Fastify routes. X-Forwarded-For is left out: a stored response does not
 * depend on the client's address.
 */
const ALWAYS_HELD = [
  ...['host', 'origin', 'access-control-request-method', 'access-control-request-headers'],
  ...['x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-port', 'x-forwarded-prefix', 'accept-version'],
];

/** True if the headers of a request allow that the lane answers it. Cookies are left to the route. */
export function mayUseLane(headers: LaneHeaders): boolean {
  for (let index = 0; index < OF_PIPELINE.length; index++)
    if (headers[OF_PIPELINE[index]!] !== undefined) return false;
  const length = headers['content-length'];
  return length === undefined || length === '0';
}

/** The values by which a request chooses its answer, except the target. */
export class LaneIdentity {
  readonly #names: readonly string[];
  readonly #values: readonly (string | string[] | undefined)[];
  readonly #method: string | undefined;
  readonly #isEncrypted: boolean;
  /** The peer decides whether a platform trusts the forwarded scheme and host. */
  readonly #peer: string | undefined;

  /** @param names lower-case names of the request headers that select the variant */
  constructor({ method, headers, socket }: LaneRequest, names: readonly string[]) {
    this.#names = [...new Set([...ALWAYS_HELD, ...names])];
    this.#values = this.#names.map((name) => headers[name]);
    this.#method = method;
    this.#isEncrypted = socket.encrypted === true;
    this.#peer = peerOf(headers, socket);
  }

  isOf({ method, headers, socket }: LaneRequest): boolean {
    if (method !== this.#method) return false;
    for (let index = 0; index < this.#names.length; index++)
      if (headers[this.#names[index]!] !== this.#values[index]) return false;
    return (socket.encrypted === true) === this.#isEncrypted && peerOf(headers, socket) === this.#peer;
  }

  holds(name: string): boolean {
    return this.#names.includes(name);
  }

  /** Equal for equal identities. */
  get text(): string {
    return JSON.stringify([this.#method, this.#isEncrypted, this.#peer, this.#names, this.#values]);
  }
}

function peerOf(headers: LaneHeaders, socket: Peer): string | undefined {
  const isForwarded = headers['x-forwarded-host'] !== undefined || headers['x-forwarded-proto'] !== undefined;
  return isForwarded ? socket.remoteAddress : undefined;
}

/** An exact request that the pipeline has answered with a hit, and the heads of these answers. */
export class LaneRecord {
  /** The head of a complete answer. */
  full: LaneHead | undefined;
  /** The head of a 304. */
  notModified: LaneHead | undefined;

  constructor(
    readonly identity: LaneIdentity,
    readonly route: CachedRoute,
    /** The call of such requests. It holds no request. */
    readonly call: Call,
    /** Inputs that loads of this key had shown. After others have been shown, the pipeline builds another key. */
    readonly shown: readonly RequestInput[],
  ) {}

  /** True if the pipeline would build the same key. */
  get hasKey(): boolean {
    return this.route.variants.shown(this.call) === this.shown;
  }
}
