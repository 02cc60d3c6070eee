import type { IncomingMessage, ServerResponse } from 'node:http';
import { Call, CacheStatus } from '../../cache/engine/call.js';
import type { KeyRequest } from '../../keys/key.interface.js';
import type { OnceLog } from '../../observability/once-log.js';
import { responseOf } from '../answer/stored-response.js';
import type { Reuse } from '../answer/stale-responses.js';
import type { Replacement } from '../platform.interface.js';
import { messageOf, watchOf } from '../inputs/request-watch.js';
import type { CachedRoute } from '../route/cached-route.js';
import type { FastLaneSettings } from '../route/fast-lane-option.js';
import { LaneHead } from './lane-head.js';
import type { LaneIndex } from './lane-index.js';
import { type LaneHeaders, LaneIdentity, LaneRecord, mayUseLane } from './lane-record.js';
import type { Obstacles } from './obstacles.js';
import { type SentHead, sentHead, upstreamOf } from './sent-head.js';

/** Values of upstream headers that are remembered. When there are more, all are forgotten. */
const MAX_CONFIRMED = 1_000;

/** Shorter values of request headers may stand in a response header by chance. Characters. */
const SHORTEST_ECHO = 4;

/** Calls of the lane hold no request: it would stay in memory. */
const NO_REQUEST: KeyRequest = { method: 'GET', url: '', headers: {}, params: {}, query: {} };

/** A hit that the pipeline sends. */
export interface SentHit {
  readonly route: CachedRoute;
  /** Of the platform. */
  readonly request: object;
  readonly response: object;
  readonly call: Call;
  readonly reuse: Reuse;
  readonly answer: Replacement;
}

/** Learns from the hits that the pipeline sends which requests the lane may answer, and with which heads. */
export class LaneLearner {
  /** Upstream headers of the latest answer, by everything that chooses them. */
  readonly #confirmed = new Map<string, string>();
  /** Routes that stay out of the lane. */
  readonly #refused = new WeakSet<CachedRoute>();

  constructor(
    private readonly index: LaneIndex,
    private readonly obstacles: Obstacles,
    private readonly log: OnceLog,
    /** The server whose requests the lane sees. */
    private readonly server: object,
  ) {}

  /** Keeps a route out of the lane, and says why. */
  refuse(route: CachedRoute, why: string): void {
    const { name } = route.target;
    this.#refused.add(route);
    this.index.clear();
    this.log.warn(`lane ${name}`, `Hits of ${name} are not answered on the fast lane: ${why}.`);
  }

  /** Called before a hit is sent. */
  observe(hit: SentHit): void {
    const settings = hit.route.options.fastLane;
    if (settings === undefined || this.#refused.has(hit.route) || !this.#isPlain(hit)) return;
    const { request, response, route } = hit;
    const { target } = watchOf(request)!;
    const obstacle = this.obstacles.find(request, response, target, settings);
    if (obstacle !== undefined) return this.refuse(route, adviceOn(obstacle));
    const message = messageOf(request) as IncomingMessage;
    const isHead = message.method === 'HEAD';
    // The hook by which Fastify answers HEAD follows ours, and counts as one that may encode.
    if (!isHead && route.platform.mayEncode(request, response))
      return this.refuse(route, 'code between the cache and the socket may encode its body');
    const identity = identityOf(hit, message, isHead);
    if (identity === undefined) return;
    const raw = rawOf(response);
    raw.once('finish', () => this.#learn(hit, message.headers, settings, identity, raw, target));
  }

  /** True for a complete hit or a 304, whose request nothing has changed on its way. */
  #isPlain({ request, route, reuse, answer }: SentHit): boolean {
    const message = messageOf(request) as unknown as IncomingMessage;
    const watch = watchOf(request);
    const { recorded } = responseOf(reuse.entry);
    return (
      reuse.status === CacheStatus.HIT &&
      answer.recorded === recorded &&
      recorded.manner === undefined &&
      message.httpVersion === '1.1' &&
      (message.method === 'GET' || message.method === 'HEAD') &&
      (message.socket as { readonly server?: unknown } | null)?.server === this.server &&
      watch?.written.length === 0 &&
      watch.rewriting(message) === undefined &&
      mayUseLane(message.headers) &&
      !route.explains
    );
  }

  #learn(
    { route, call, reuse: { entry }, answer }: SentHit,
    headers: LaneHeaders,
    { headers: named }: FastLaneSettings,
    identity: LaneIdentity,
    raw: ServerResponse,
    target: string,
  ): void {
    const sent = sentHead(raw);
    const { recorded, notModified } = answer;
    if (sent?.status !== (notModified ? 304 : recorded.status)) return;
    if (!notModified && !hasLength(sent, recorded.body.length)) return;
    const upstream = upstreamOf(sent, recorded, answer.add, named);
    if (upstream.refused !== undefined) return this.refuse(route, adviceOnHeader(upstream.refused));
    if (upstream.lines !== '') {
      if (echoes(upstream.lines, headers, identity)) return;
      if (!this.#confirm(`${route.target.name} ${sent.status} ${identity.text}`, upstream.lines)) return;
    }
    const known = this.index.find(target, { method: raw.req.method, headers, socket: raw.req.socket });
    const record =
      known?.call.key === call.key && known.hasKey
        ? known
        : new LaneRecord(identity, route, withoutRequest(call), route.variants.shown(call));
    const head = new LaneHead(sent.status, sent.lines.flat(), route, entry);
    if (notModified) record.notModified = head;
    else record.full = head;
    if (record !== known) this.index.add(target, record);
  }

  /** True if the latest answer to such a request had the same upstream headers. */
  #confirm(key: string, lines: string): boolean {
    const before = this.#confirmed.get(key);
    if (before === lines) return true;
    if (before === undefined && this.#confirmed.size >= MAX_CONFIRMED) this.#confirmed.clear();
    this.#confirmed.set(key, lines);
    return false;
  }
}

/** @returns `undefined` if something other than headers and the target selects the variant */
function identityOf(
  { route, call }: SentHit,
  message: IncomingMessage,
  isHead: boolean,
): LaneIdentity | undefined {
  const inputs = route.inputsOf(call);
  if (inputs.some(({ header, isOfUri }) => header === undefined && isOfUri !== true)) return undefined;
  const names = inputs.flatMap(({ header }) => (header === undefined ? [] : [header]));
  // Where a layer may encode, a HEAD tells the tag of the encoded body.
  return new LaneIdentity(message, isHead ? [...names, 'accept-encoding'] : names);
}

function withoutRequest({ target, key, argumentsAt, variant }: Call): Call {
  const call = new Call(target, undefined, [], NO_REQUEST);
  call.key = key;
  call.argumentsAt = argumentsAt;
  call.variant = variant;
  return call;
}

function hasLength({ lines }: SentHead, length: number): boolean {
  return lines.some(([name, value]) => name.toLowerCase() === 'content-length' && value === String(length));
}

/** True if upstream headers repeat a request header that other requests of the record may not have. */
function echoes(lines: string, headers: LaneHeaders, identity: LaneIdentity): boolean {
  return Object.entries(headers).some(([name, value]) => {
    const text = String(value);
    return text.length >= SHORTEST_ECHO && !identity.holds(name) && lines.includes(text);
  });
}

function rawOf(response: object): ServerResponse {
  return (response as { readonly raw?: ServerResponse }).raw ?? (response as ServerResponse);
}

function adviceOn(obstacle: string): string {
  return (
    `${obstacle} runs before it. If no request depends on it, and it rejects none, write fastLane: { skip: ['${obstacle}'] }, or ` +
    'skip: true for everything before the route; else remove fastLane'
  );
}

function adviceOnHeader(name: string): string {
  if (name === 'set-cookie') return 'a layer below the cache sets a cookie';
  return `code outside of the cache sets the header ${name}. If its value is the same for all requests, write fastLane: { headers: ['${name}'] }`;
}
