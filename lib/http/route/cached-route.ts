import { VersioningType } from '@nestjs/common';
import type { Call, CallContext } from '../../cache/engine/call.js';
import type { MethodTarget } from '../../cache/method-target.js';
import { CacheUsageError } from '../../common/errors.js';
import { declaredHeaderNames } from '../../common/nest-internals.js';
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
import { heldInputs, type HeldInputs } from '../inputs/held-inputs.js';
import type { InputRules } from '../inputs/input-rules.js';
import { headerInput, type RequestInput } from '../inputs/request-input.js';
import { CREDENTIAL_HEADERS, messageOf, type RequestWatch, watchOf } from '../inputs/request-watch.js';
import { bodyTypeOf, hasBodies } from './cacheable-methods.js';
import { declaredVary, type ResponseOptions } from './response-options.js';
import type { KeyLimit } from './key-limit.js';
import { RecentHosts } from './recent-hosts.js';
import { UriKeyConstructor } from './stored-uris.js';
import { baseOf, RouteVariants } from './variants.js';

/** Code may read headers that clients name. */
const MAX_REPORTED = 100;

/** Two names as long as DNS knows them (RFC 1035 §2.3.4), their ports and a scheme. */
const MAX_HOST = 540;

/** Longer types of bodies stand in keys as their hash. Characters. */
const MAX_TYPE = 250;

/** A handler decorated with `@CacheResponse`: its target, its options, and how the key of a request is built. */
export class CachedRoute {
  readonly options: ResponseOptions;
  readonly variants: RouteVariants;
  /** Remembered only where requests are made from nothing but a path. */
  readonly recentHosts: RecentHosts | undefined;
  /** What the key holds of its requests. */
  readonly held: HeldInputs;
  /** Lower-case names of the response headers that `@Header()` sets. */
  readonly declaredHeaders: ReadonlySet<string>;
  /** The request headers that choose between answers here, and so must in caches outside. Lower-case names. */
  readonly choosingHeaders: readonly string[];
  /** As it stands in keys. */
  readonly #onlyPath: string | undefined;
  readonly #encoded = new Map<string, string>();
  readonly #reported = new Set<string>();
  /** Names of what code left on the last request: keys by description are made as though it had left as much. */
  #recentNames = '';
  /** Its own headers do not say what its answers depend on. */
  readonly #isWatched: boolean;

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
    /** Something that it runs is made for each request, before its load can be watched. */
    readonly isScoped: boolean,
  ) {
    const { response, original } = target.definition;
    const options = response as ResponseOptions;
    const vary = [...new Set([...options.vary, ...declaredVary(original)])].sort();
    this.options = { ...options, vary };
    this.#onlyPath = onlyPath && `${encodeValue(onlyPath)} `;
    const { holds } = target.key;
    this.held = heldInputs(vary, holds);
    this.declaredHeaders = new Set(declaredHeaderNames(original));
    this.#isWatched = options.freshness === 'ttl';
    this.variants = new RouteVariants(
      vary.map(headerInput),
      inputs,
      this.#isWatched && !options.shared,
      keyLimit.clock,
    );
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
    const watch = this.#isWatched ? watchOf(request) : undefined;
    route += watch === undefined ? this.#recentNames : this.#upstreamOf(watch, request);
    // Parameters of mounted routers, which no decorator names, stand in the key, but are no partition.
    for (const name in params as object) {
      if (this.routeParams.has(name)) continue;
      route += `${encodeValue({ ...(params as object) })} `;
      break;
    }
    const call = this.target.call(undefined, [], request, route, ambient);
    this.variants.choose(call, this.variants.inputsOf(call.key, watch));
    return call;
  }

  /** Whether the key holds a request header. @param name in lower case */
  keyHolds(name: string): boolean {
    return this.choosingHeaders.includes(name) || this.held.headers.has(name);
  }

  /** The inputs that choose between the variants of a call's key, sorted. */
  inputsOf(call: Call): readonly RequestInput[] {
    return this.variants.inputsOf(baseOf(call), this.#isWatched ? watchOf(call.request!) : undefined);
  }

  /** Request headers that caches outside must choose by: those that choose here, and reach those caches. */
  varyOf(call: Call): readonly string[] {
    const written = watchOf(call.request!)?.written ?? [];
    return this.inputsOf(call).flatMap(({ header }) =>
      header === undefined ||
      CREDENTIAL_HEADERS.has(header) ||
      written.includes(header) ||
      this.choosingHeaders.includes(header)
        ? []
        : [header],
    );
  }

  /** Whether something chooses among the answers to a call that caches outside do not see. */
  isPrivate(call: Call): boolean {
    const written = watchOf(call.request!)?.written ?? [];
    return this.inputsOf(call).some(({ header }) => header === undefined || written.includes(header));
  }

  /** Whether an input, by its name for the log, is to be reported: once, and no declared one. */
  reports(name: string): boolean {
    if (this.#reported.has(name) || this.#reported.size >= MAX_REPORTED) return false;
    this.#reported.add(name);
    return !this.options.vary.some((declared) => headerInput(declared).name === name);
  }

  /** Whether a key, or `shared: true`, answers who asks. */
  answersWhoAsks(request: KeyRequest): boolean {
    const { key } = this.target;
    return this.options.shared || (key.hasIdentity && key.identifies({ args: [], request }));
  }

  /** What code before the load made of the request, and is not told by its other parts. */
  #upstreamOf(watch: RequestWatch, request: KeyRequest): string {
    let text = '';
    const rewriting = watch.rewriting(messageOf(request));
    if (rewriting !== undefined) text += `${encodeValue(rewriting)} `;
    if (this.options.query === undefined && hasBrackets(watch.target))
      text += `${encodeValue(queryPairs(watch.target))} `;
    if (this.answersWhoAsks(request)) return text;
    const names = watch.leftNames(this.inputs);
    this.#recentNames = names === '' ? '' : `+${this.#encode(names)} `;
    return text + this.#recentNames;
  }

  /** Whether answers to a method are stored, and stored ones served. */
  caches(method = 'GET'): boolean {
    return this.options.methods.has(method === 'HEAD' ? 'GET' : method);
  }

  /** A method whose requests may have a body, with the type of that. */
  #methodAndType(method: string, request: KeyRequest): string {
    const type = bodyTypeOf(request);
    return `${method} ${type.length > MAX_TYPE ? `#${hashType(type)}` : this.#encode(type)}`;
  }

  /** Makes the key of a call hold every header that its response names in `Vary`. */
  cover(call: Call, names: readonly string[]): 'covered' | 'moved' | 'too-many' {
    return this.variants.cover(call, names.map(headerInput));
  }

  /** Whether there was a response for the URI of a call that missed, and for other values of its `Vary` headers alone. */
  missOf(call: Call): 'uri-miss' | 'vary-miss' {
    return this.variants.has(call) ? 'vary-miss' : 'uri-miss';
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

const hashType = createKeyHash();

/**
 * The host a request was sent to. Behind a proxy that the platform trusts, handlers see the one that it forwards, and the
 * scheme, so both stand in the key: else a forged header would write its host into everybody's links.
 */
function hostOf(request: KeyRequest): string {
  const { headers } = request;
  const host = headers['host'] ?? headers[':authority'];
  let text = typeof host === 'string' ? host : '';
  const { socket } = messageOf(request) as { readonly socket?: { readonly encrypted?: boolean } | null };
  if (socket?.encrypted === true) text = `https://${text}`;
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

/** Parsers make one of `sort=a` and `sort[]=a`. */
function hasBrackets(target: string): boolean {
  const start = target.indexOf('?');
  return start >= 0 && /\[|%5b/i.test(target.slice(start));
}

/** The pairs of a query as the client sent them, in their order but sorted by what stands before the brackets. */
function queryPairs(target: string): readonly (readonly string[])[] {
  const search = target.slice(target.indexOf('?') + 1);
  const pairs = [...new URLSearchParams(search)];
  const rootOf = (name: string): string => name.slice(0, Math.max(0, name.indexOf('['))) || name;
  return pairs.sort(([one], [other]) => {
    const [left, right] = [rootOf(one), rootOf(other)];
    return left === right ? 0 : left < right ? -1 : 1;
  });
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
