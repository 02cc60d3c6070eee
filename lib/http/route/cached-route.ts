import { VersioningType } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { Call, CallContext } from '../../cache/engine/call.js';
import type { MethodTarget } from '../../cache/method-target.js';
import { CacheUsageError } from '../../common/errors.js';
import {
  BodyKeyField,
  createKeyHash,
  encodeValue,
  inlineKeyConstructor,
  type KeyConstructorInput,
  QueryParamsKeyField,
  ResponseCacheKeyConstructor,
  RouteParamsKeyField,
} from '../../keys/index.js';
import type { KeyRequest } from '../../keys/key.interface.js';
import type { HttpPlatform } from '../platform.interface.js';
import type { InputRules } from '../inputs/input-rules.js';
import { bodyTypeOf, hasBodies } from './cacheable-methods.js';
import { declaredVary, type ResponseOptions } from './response-options.js';
import { heldIdentity, type HeldIdentity } from './held-identity.js';
import type { KeyLimit } from './key-limit.js';
import { RecentHosts } from './recent-hosts.js';
import { UriKeyConstructor } from './stored-uris.js';

const MAX_KEYS = 10_000;
const MAX_NAMES = 8;

/**
 * What a response says in `Vary` is known only once it was loaded. The names are remembered for its key, so that the
 * next request's key holds the values of those headers. Forgetting one costs a load.
 */
export class RememberedVary {
  /** Made when first needed: it reserves its space at once, and every cached route has its own. */
  #names: LRUCache<string, readonly string[]> | undefined;

  /** The header names that choose between the variants of this key, sorted. */
  get(key: string): readonly string[] | undefined {
    return this.#names?.get(key);
  }

  /** @returns whether the names were few enough to be kept */
  add(key: string, names: readonly string[]): boolean {
    const all = [...new Set([...(this.#names?.get(key) ?? []), ...names])].sort();
    if (all.length > MAX_NAMES) return false;
    this.#names ??= new LRUCache({ max: MAX_KEYS });
    this.#names.set(key, all);
    return true;
  }
}

/** Two names as long as DNS knows them (RFC 1035 §2.3.4), their ports and a scheme. */
const MAX_HOST = 540;

/** Longer header values stand in keys as their hash. Characters. */
const MAX_VARIANT = 250;

/** A handler decorated with `@CacheResponse`: its target, its options, and how the key of a request is built. */
export class CachedRoute {
  readonly options: ResponseOptions;
  readonly rememberedVary = new RememberedVary();
  /** Remembered only where requests are made from nothing but a path. */
  readonly recentHosts: RecentHosts | undefined;
  /** What the key holds of who is asking. */
  readonly heldIdentity: HeldIdentity;
  /** The request headers that choose between answers here, and so must in caches outside. Lower-case names. */
  readonly choosingHeaders: readonly string[];
  /** As it stands in keys. */
  readonly #onlyPath: string | undefined;
  readonly #encoded = new Map<string, string>();

  constructor(
    readonly target: MethodTarget,
    readonly platform: HttpPlatform,
    /** Whether changes of entities invalidate it: then outer caches must ask before they reuse it. */
    readonly hasRules: boolean,
    readonly setCacheHeaders: boolean,
    readonly keyLimit: KeyLimit,
    /** Whether each of its answers says why. */
    readonly explains: boolean,
    /** Its path, as its decorators and its controller's say; `undefined` where it has several, or several versions. */
    onlyPath: string | undefined,
    private readonly version: RequestVersion | undefined,
    /** The parameters of the route that the key constructor knows of. */
    private readonly routeParams: ReadonlySet<string>,
    /** Vary of `@Header('Vary', …)`, which Nest sets before any interceptor. */
    readonly ownVary: readonly string[],
    /** The application's options on the inputs of requests. */
    readonly inputs: InputRules,
  ) {
    const { response, original } = target.definition;
    const options = response as ResponseOptions;
    const vary = [...new Set([...options.vary, ...declaredVary(original)])].sort();
    this.options = { ...options, vary };
    this.#onlyPath = onlyPath && `${encodeValue(onlyPath)} `;
    const { holds } = target.key;
    this.heldIdentity = heldIdentity(vary, holds);
    this.choosingHeaders = [...new Set([...vary, ...headersOf(holds)])].sort();
    if (target.definition.rewarmRequest !== undefined) this.recentHosts = new RecentHosts();
  }

  /**
   * The call that a request makes. HEAD has the key of GET.
   * @param ambient the context, where it was read already
   * @throws KeyError or CacheUsageError when the request cannot be encoded
   */
  call(request: KeyRequest, ambient?: CallContext): Call {
    this.recentHosts?.note(request);
    const { method = 'GET', params } = request;
    const isGet = method === 'GET' || method === 'HEAD';
    let route = `${isGet ? 'GET' : this.#methodAndType(method, request)} ${this.#encode(hostOf(request))} `;
    route += this.#onlyPath ?? `${this.#encode(this.platform.routePath(request))} `;
    if (this.version !== undefined) route += `${encodeValue(this.version(request))} `;
    // Parameters of mounted routers, which no decorator names, stand in the key, but are no partition.
    for (const name in params as object) {
      if (this.routeParams.has(name)) continue;
      route += `${encodeValue({ ...(params as object) })} `;
      break;
    }
    const call = this.target.call(undefined, [], request, route, ambient);
    const varying = this.#varying(call.key);
    if (varying.length > 0) chooseVariant(call, varying);
    return call;
  }

  /** Whether the key holds a request header. @param name in lower case */
  keyHolds(name: string): boolean {
    return this.choosingHeaders.includes(name) || this.heldIdentity.whole.has(name);
  }

  /** Whether answers to a method are stored, and stored ones served. */
  caches(method = 'GET'): boolean {
    return this.options.methods.has(method === 'HEAD' ? 'GET' : method);
  }

  /** A method whose requests may have a body, with the type of that. */
  #methodAndType(method: string, request: KeyRequest): string {
    const type = bodyTypeOf(request);
    return `${method} ${type.length > MAX_VARIANT ? `#${hashVariant(type)}` : this.#encode(type)}`;
  }

  /**
   * Makes the key of a call hold every header that its response varies by, and remembers them for the next request. The
   * key may be older than what is remembered: it was made before the load.
   */
  cover(call: Call, names: readonly string[]): 'covered' | 'moved' | 'too-many' {
    if (names.length === 0) return 'covered';
    const { key } = call;
    const base = key.slice(0, key.length - call.variant.length);
    if (!this.rememberedVary.add(base, names)) return 'too-many';
    call.key = base;
    chooseVariant(call, this.#varying(base));
    return call.key === key ? 'covered' : 'moved';
  }

  /** Whether there was a response for the URI of a call that missed, and for other values of its `Vary` headers alone. */
  missOf({ key, variant }: Call): 'uri-miss' | 'vary-miss' {
    const base = key.slice(0, key.length - variant.length);
    return this.rememberedVary.get(base) === undefined ? 'uri-miss' : 'vary-miss';
  }

  #varying(base: string): readonly string[] {
    const hinted = this.rememberedVary.get(base);
    if (hinted === undefined) return this.options.vary;
    return this.options.vary.length === 0 ? hinted : [...new Set([...this.options.vary, ...hinted])].sort();
  }

  /** Hosts and paths are few; their encodings are kept. */
  #encode(text: string): string {
    let encoded = this.#encoded.get(text);
    if (encoded === undefined) {
      encoded = encodeValue(text);
      if (this.#encoded.size < 100) this.#encoded.set(text, encoded);
    }
    return encoded;
  }
}

/** The headers that values of the request come from; the host is part of the URI, and an answer by Authorization is private. */
function headersOf(holds: readonly (readonly string[])[]): readonly string[] {
  return holds.flatMap(([part, name]) => {
    if (part === 'cookies' || part === 'signedCookies') return ['cookie'];
    return part === 'headers' && /^(?!authorization$|host$)[\w-]+$/.test(name ?? '') ? [name!] : [];
  });
}

const hashVariant = createKeyHash();

function chooseVariant(call: Call, names: readonly string[]): void {
  const { headers } = call.request!;
  const text = encodeValue(names.map((name) => [name, normaliseList(headers[name])]));
  call.variant = `|${text.length > MAX_VARIANT ? `#${hashVariant(text)}` : text}`;
  call.key += call.variant;
}

/** Two requests whose header values differ in white space alone are one (RFC 9111 §4.1). */
function normaliseList(value: string | string[] | undefined): string | undefined {
  if (value === undefined) return undefined;
  return String(value)
    .trim()
    .replace(/\s*,\s*/g, ',')
    .replace(/\s+/g, ' ');
}

/**
 * The host a request was sent to. Behind a proxy that the platform trusts, handlers see the one that it forwards, and the
 * scheme, so both stand in the key: else a forged header would write its host into everybody's links.
 */
function hostOf(request: KeyRequest): string {
  const { headers } = request;
  const host = headers['host'] ?? headers[':authority'];
  let text = typeof host === 'string' ? host : '';
  if (headers['x-forwarded-host'] !== undefined || headers['x-forwarded-proto'] !== undefined) {
    const seen = request as { readonly host?: unknown; readonly protocol?: unknown };
    text += ` ${String(seen.protocol)}://${String(seen.host)}`;
  }
  if (text.length > MAX_HOST)
    throw new CacheUsageError(
      'CACHE_HOST',
      `its Host header is longer than ${MAX_HOST} characters, which no name is. Refuse such requests in front of the application.`,
    );
  return text.toLowerCase();
}

/** The key of a handler that names none: what may choose between its answers, as its options say. */
export function defaultKeyOf({ freshness, query, methods }: ResponseOptions): KeyConstructorInput {
  if (freshness === 'headers') return UriKeyConstructor;
  if (query === undefined && !hasBodies(methods)) return ResponseCacheKeyConstructor;
  return inlineKeyConstructor({
    fields: {
      ...(hasBodies(methods) ? { body: new BodyKeyField() } : {}),
      query: query?.keyField() ?? new QueryParamsKeyField('*'),
      route: new RouteParamsKeyField('*', { partition: true }),
    },
  });
}

/** How an application tells versions apart: Nest's `VersioningOptions`, as far as they are read here. */
export interface Versioning {
  /** A `VersioningType`. */
  readonly type?: number;
  /** Before a version in the path. Default `'v'`; `false` for none. */
  readonly prefix?: string | false;
  readonly header?: string;
  readonly extractor?: (request: unknown) => unknown;
}

/** Reads from a request which version it asks for. */
export type RequestVersion = (request: KeyRequest) => unknown;

/** Reads the version of a request, where one handler may serve several; versions in the URL are part of the path. */
export function requestVersion({ type, header = '', extractor }: Versioning): RequestVersion {
  const name = header.toLowerCase();
  if (type === VersioningType.HEADER) return ({ headers }) => headers[name];
  if (type === VersioningType.MEDIA_TYPE)
    return ({ headers }) => String(headers['accept'] ?? '').split(';')[1];
  if (type === VersioningType.CUSTOM) return (request) => extractor?.(request);
  return () => undefined;
}

/** The prefix of versions in paths; `undefined` where versions are not in the path. */
export function versionPrefix({ type, prefix = 'v' }: Versioning): string | undefined {
  if (type !== VersioningType.URI) return undefined;
  return prefix === false ? '' : prefix;
}
