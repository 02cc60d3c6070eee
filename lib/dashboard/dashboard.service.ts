import { randomBytes } from 'node:crypto';
import { BadRequestException, Logger, NotFoundException, type Type } from '@nestjs/common';
import type { CacheRuntime, Delivery } from '../cache/cache-runtime.js';
import type { CacheService } from '../cache/cache.service.js';
import type { CachedMethod, RequestDescription } from '../cache/cached-method.js';
import { RestflowCacheError } from '../common/errors.js';
import { KeyError, type PartitionValues } from '../keys/index.js';
import type { DashboardOptions } from './dashboard-options.js';
import { dashboardReport, type DashboardReport } from './dashboard-report.js';
import {
  actionToken,
  actorOf,
  assertOwnPage,
  type DashboardRequest,
  readAction,
  readCall,
  type DashboardAction,
} from './dashboard-requests.js';
import { hidden } from './hidden-text.js';
import { type InvalidationView, LiveFeed } from './live-feed.js';

/** A report, with what the page may do. */
export interface PageData extends DashboardReport {
  readonly may: { readonly act: boolean; readonly seeKeys: boolean; readonly seeValues: boolean };
  readonly viewers: number;
}

/** An entry, as the page shows it. */
export interface EntryView {
  readonly status: string;
  readonly key: string;
  readonly tags: readonly string[];
  readonly cachedAt: string | null;
  readonly resetAt: string | null;
  readonly bytes: number | null;
  readonly value?: string | undefined;
}

/** Longest value that is shown. Characters. */
const MAX_VALUE = 20_000;

/** What the page asks for. */
export class DashboardService {
  readonly feed: LiveFeed;
  readonly #secret: string;
  readonly #log = new Logger('RestflowCache');

  constructor(
    private readonly options: DashboardOptions,
    private readonly cache: CacheService,
    private readonly runtime: CacheRuntime,
  ) {
    this.#secret = options.secret ?? randomBytes(32).toString('base64');
    this.feed = new LiveFeed(runtime, () => this.data(), options.keys === true);
  }

  data(): PageData {
    const { actions = false, keys = false, values = false } = this.options;
    return {
      ...dashboardReport(this.cache, this.runtime),
      may: { act: actions, seeKeys: keys, seeValues: values },
      viewers: this.feed.viewers,
    };
  }

  /** For pages that cannot hold a stream. */
  polled(): { readonly report: PageData; readonly invalidations: readonly InvalidationView[] } {
    return { report: this.data(), invalidations: this.feed.invalidations };
  }

  token(): string {
    return actionToken(this.#secret, Date.now());
  }

  /** What is stored for a call, which is not made. */
  async entry(request: DashboardRequest, body: unknown): Promise<EntryView> {
    assertOwnPage(request, this.#secret, Date.now());
    const { method, args } = readCall(body);
    const cached = this.#method(method);
    return orBadRequest(async () => {
      const { cacheStatus, key, tags, cachedAt, resetAt, bytes, value } = await cached.inspect(...args);
      const { keys = false, values = false } = this.options;
      const show = (text: string): string => (keys ? text : hidden(text));
      return {
        ...{ status: cacheStatus, key: show(key), tags: tags.map(show), cachedAt, resetAt, bytes },
        ...(values && bytes !== null && { value: shownValue(value) }),
      };
    });
  }

  /** Drops entries, and writes into the log who wanted it. */
  async act(request: DashboardRequest, body: unknown): Promise<{ readonly delivery: Delivery }> {
    assertOwnPage(request, this.#secret, Date.now());
    if (this.options.actions !== true)
      throw new NotFoundException(
        'The dashboard only reads. Write RestflowDashboardModule.forRoot({ actions: true }).',
      );
    const action = readAction(body);
    const actor = this.options.actor?.(request) ?? actorOf(request);
    const delivery = await orBadRequest(() => this.#drop(action));
    this.#log.log(`The dashboard dropped ${this.#describe(action)} for ${actor}: ${delivery}.`);
    return { delivery };
  }

  #drop(action: DashboardAction): Promise<Delivery> {
    switch (action.kind) {
      case 'everything':
        return this.cache.clear();
      case 'method':
        return this.#method(action.method).invalidateAll();
      case 'partition':
        return this.#method(action.method).deleteByPrefix(action.values as PartitionValues);
      case 'tags':
        return this.cache.invalidateTags(action.tags);
      case 'key':
        return this.#method(action.method).deleteCache(...action.args);
    }
  }

  /** Values and tags may be somebody's name: the log holds them only if the page does. */
  #describe(action: DashboardAction): string {
    const show = (value: unknown): string => {
      const text = JSON.stringify(value);
      return this.options.keys === true ? text : hidden(text);
    };
    switch (action.kind) {
      case 'everything':
        return 'everything';
      case 'method':
        return `all values of ${action.method}`;
      case 'partition':
        return `the partition ${show(action.values)} of ${action.method}`;
      case 'tags':
        return `the tags ${action.tags.map(show).join(', ')}`;
      case 'key':
        return `the value of ${action.method} for ${show(action.args)}`;
    }
  }

  #method(name: string): CachedMethod<readonly [RequestDescription] | readonly unknown[], unknown> {
    const target = [...this.runtime.targets].find((one) => one.name === name);
    if (target === undefined) throw new NotFoundException(`No method is cached as ${JSON.stringify(name)}.`);
    return this.cache.for(target.owner as Type<Record<string, never>>, target.definition.methodKey as never);
  }
}

/** The library says what is wrong with arguments; that is no fault of the server. */
async function orBadRequest<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RestflowCacheError || error instanceof KeyError || error instanceof TypeError)
      throw new BadRequestException(error.message);
    throw error;
  }
}

function shownValue(value: unknown): string {
  try {
    const text = JSON.stringify(
      value,
      (_, member: unknown) => (typeof member === 'bigint' ? `${member}n` : member),
      2,
    );
    return String(text).slice(0, MAX_VALUE);
  } catch {
    return 'It has no JSON.';
  }
}
