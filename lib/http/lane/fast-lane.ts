import { Server, type IncomingMessage, type ServerResponse } from 'node:http';
import { Server as SecureServer } from 'node:https';
import type { CacheRuntime } from '../../cache/cache-runtime.js';
import { CacheStatus, isRefreshDue } from '../../cache/engine/call.js';
import { responseOf } from '../answer/stored-response.js';
import { internal } from '../platform/watched-requests.js';
import { hasClientCertificate, unheldCookies } from '../request/admission.js';
import type { Peer } from '../platform.interface.js';
import { conditionsOf, isNotModified } from '../request/preconditions.js';
import { bodyOf } from '../platform/replayed-head.js';
import type { CachedRoute } from '../route/cached-route.js';
import { FastifyObstacles } from './fastify-obstacles.js';
import { LaneIndex } from './lane-index.js';
import { LaneLearner, type SentHit } from './lane-learner.js';
import { type LaneRecord, mayUseLane } from './lane-record.js';
import { ExpressObstacles, type LaneAdapter, type Obstacles } from './obstacles.js';

type Listener = (this: unknown, request: IncomingMessage, response: ServerResponse) => void;

/** The answer to a request, decided and not sent. */
interface Decision {
  readonly status: number;
  readonly lines: readonly string[];
  readonly body: Buffer | string | undefined;
}

/**
 * Answers hits of public routes when the HTTP server receives the request, before the framework: from exact requests that the pipeline has
 * answered before. Generations, lifetimes and the switches of the cache are examined for each hit, as in the pipeline.
 */
export class FastLane {
  readonly #index = new LaneIndex();
  readonly #obstacles: Obstacles;
  readonly #learner: LaneLearner;
  /** Fastify's own state, which says when it closes. */
  readonly #state: { readonly closing?: boolean } | undefined;
  #isStopped = false;

  private constructor(
    private readonly runtime: CacheRuntime,
    private readonly server: Server | SecureServer,
    private readonly adapter: LaneAdapter,
    isFastify: boolean,
  ) {
    this.#obstacles = isFastify ? new FastifyObstacles(adapter) : new ExpressObstacles(adapter);
    this.#learner = new LaneLearner(this.#index, this.#obstacles, runtime.log, server);
    this.#state = internal(adapter.getInstance(), 'fastify.state') as { closing?: boolean } | undefined;
  }

  /**
   * Puts the lane before the listener of the platform. Other listeners of the server see every request.
   *
   * @returns `undefined` for servers of HTTP/2, and where the listener of the platform cannot be found
   */
  static install(
    runtime: CacheRuntime,
    server: unknown,
    adapter: LaneAdapter,
    isFastify: boolean,
  ): FastLane | undefined {
    if (!(server instanceof Server || server instanceof SecureServer)) return undefined;
    const listeners = server.rawListeners('request') as Listener[];
    const instance: unknown = adapter.getInstance();
    // Fastify gives its listener to the server when it makes it.
    const own = isFastify
      ? listeners.find(({ name }) => name === 'preRouting')
      : listeners.find((one) => one === instance);
    if (own === undefined) return undefined;
    const lane = new FastLane(runtime, server, adapter, isFastify);
    server.removeAllListeners('request');
    for (const listener of listeners) server.on('request', listener === own ? lane.#before(own) : listener);
    return lane;
  }

  /** Called before the pipeline sends a hit. */
  observe(hit: SentHit): void {
    if (!this.#isStopped) this.#learner.observe(hit);
  }

  /** Keeps a route out of the lane, and says why. */
  refuse(route: CachedRoute, why: string): void {
    this.#learner.refuse(route, why);
  }

  /** Called when the application begins to close: from now on the platform answers, and tells clients to close their connections. */
  stop(): void {
    this.#isStopped = true;
    this.#index.clear();
  }

  #before(own: Listener): Listener {
    const tryAnswer = (request: IncomingMessage, response: ServerResponse): boolean =>
      this.#tryAnswer(request, response);
    return function (request, response) {
      if (!tryAnswer(request, response)) own.call(this, request, response);
    };
  }

  #tryAnswer(request: IncomingMessage, response: ServerResponse): boolean {
    try {
      const record = this.#index.find(request.url, request);
      if (record === undefined || !this.#isOpen() || response.headersSent) return false;
      const decision = this.#decide(record, request);
      if (decision === undefined) return false;
      // Other listeners, which this event calls after the platform's, may still set headers.
      if (this.server.listenerCount('request') > 1) queueMicrotask(() => send(response, decision));
      else send(response, decision);
      return true;
    } catch (error) {
      this.runtime.log.error('lane', 'The fast lane failed; requests go to the framework', error);
      this.stop();
      return response.headersSent;
    }
  }

  #isOpen(): boolean {
    if (this.#isStopped || !this.server.listening) return false;
    if (this.adapter.isShuttingDown === true || this.#state?.closing === true) return false;
    if (!this.#obstacles.hasChanged()) return true;
    this.stop();
    this.runtime.log.warn(
      'lane changed',
      'The fast lane is off: middleware was added while the application ran. Add it before the application listens.',
    );
    return false;
  }

  /** The hit that the pipeline would send, if that is certain. Counts it. */
  #decide(record: LaneRecord, request: IncomingMessage): Decision | undefined {
    const { runtime } = this;
    const { engine } = runtime;
    const { call, route } = record;
    // A verification repeats the request of a hit, which only the pipeline has.
    if (engine.onHit !== undefined) return undefined;
    if (!isPublic(route, request) || !runtime.mayUse()) return undefined;
    const entry = record.hasKey ? engine.reader.held(call) : undefined;
    if (entry === undefined) {
      this.#index.remove(request.url!, record);
      return undefined;
    }
    const now = engine.clock.now();
    if (!entry.isFresh(now) || isRefreshDue(call.target.policy, entry, now)) return undefined;
    const stored = responseOf(entry);
    const notModified = stored.status === 200 && isNotModified(conditionsOf(request.headers), stored);
    const head = notModified ? record.notModified : record.full;
    if (head?.serial !== stored.serial) return undefined;
    head.renew(entry, now);
    if (call.variant !== '') route.variants.read(call);
    engine.serve(call, entry, CacheStatus.HIT);
    call.target.counters.count(CacheStatus.HIT);
    const hasBody = !notModified && request.method === 'GET';
    return { status: head.status, lines: head.lines, body: hasBody ? bodyOf(stored.recorded) : undefined };
  }
}

/** True if the pipeline would take a request for one that carries nothing private. */
function isPublic(route: CachedRoute, { headers, socket }: IncomingMessage): boolean {
  if (!mayUseLane(headers)) return false;
  if (headers.cookie !== undefined && unheldCookies(route, headers.cookie).length > 0) return false;
  const { honourRequestDirectives } = route.options;
  if (honourRequestDirectives && (headers['cache-control'] !== undefined || headers.pragma !== undefined))
    return false;
  return !hasClientCertificate(socket as Peer);
}

function send(response: ServerResponse, { status, lines, body }: Decision): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, lines as string[]);
  response.end(body);
}
