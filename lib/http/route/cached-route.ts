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
import { presetHeaders } from '../inputs/response-reads.js';
import { CREDENTIAL_HEADERS, messageOf, type RequestWatch, watchOf } from '../inputs/request-watch.js';
import { bodyTypeOf, hasBodies } from './cacheable-methods.js';
import { declaredVary, type ResponseOptions } from './response-options.js';
import type { KeyLimit } from './key-limit.js';
import { RecentHosts } from './recent-hosts.js';
import { UriKeyConstructor } from './stored-uris.js';
import { baseOf, RouteVariants } from './variants.js';

/** Inputs that are logged by name; clients can invent names of headers. */
const MAX_REPORTED = 100;

/** Longest host: two names of the maximum length in DNS (RFC 1035 §2.3.4), their ports and a scheme. Characters. */
const MAX_HOST = 540;

/** Longest body type that a key contains as text; longer ones are hashed. Characters. */
const MAX_TYPE = 250;

/** A handler decorated with `@CacheResponse`: its target and options, and the keys of its requests. */
export class CachedRoute {
  readonly options: ResponseOptions;
  readonly variants: RouteVariants;
  /** Hosts for rewarming; only with a rule that sends requests by path. */
  readonly recentHosts: RecentHosts | undefined;
  /** Parts of the request that the key contains. */
  readonly held: HeldInputs;
  /** Lower-case names of the response headers that `@Header()` sets. */
  readonly declaredHeaders: ReadonlySet<string>;
  /** Request headers that select between answers, so outer caches must select by them too. Lower-case names. */
  readonly choosingHeaders: readonly string[];
  /** The only path of the route, encoded for keys. */
  readonly #onlyPath: string | undefined;
  readonly #encoded = new Map<string, string>();
  readonly #reported = new Set<string>();
  /**
   * Names of the members that code put on the latest request, encoded for keys: keys that are made from a description of a request assume
   * them.
   */
  #recentNames = '';
  /** True if code is watched for inputs of the answer. With `freshness: 'headers'` the headers of the answer name them. */
  readonly #isWatched: boolean;

  constructor(
    readonly target: MethodTarget,
    readonly platform: HttpPlatform,
    /** True if changes of entities invalidate the route: then outer caches must revalidate before reuse. */
    readonly hasRules: boolean,
    readonly setCacheHeaders: boolean,
    readonly keyLimit: KeyLimit,
    /** True if each answer is explained. */
    readonly explains: boolean,
    /** The path from its decorator and that of its controller; `undefined` if it has several paths or versions. */
    onlyPath: string | undefined,
    private readonly version: RequestVersion | undefined,
    /** Route parameters that the key constructor reads. */
    private readonly routeParams: ReadonlySet<string>,
    /** Vary of `@Header('Vary', …)`, which Nest sets before any interceptor. */
    readonly ownVary: readonly string[],
    /** Options of the application about inputs of requests. */
    readonly inputs: InputRules,
    /** True if the handler uses a request-scoped provider, which is made before its load can be watched. */
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
   * The call of a request. HEAD has the key of GET.
   * @param ambient the context, if it was read already
   * @throws KeyError or CacheUsageError if the request cannot be encoded
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
    // Parameters of mounted routers, which no decorator names, are part of the key, but not a partition.
    for (const name in params as object) {
      if (this.routeParams.has(name)) continue;
      route += `${encodeValue({ ...(params as object) })} `;
      break;
    }
    const call = this.target.call(undefined, [], request, route, ambient);
    this.variants.choose(call, this.variants.inputsOf(call.key, watch));
    return call;
  }

  /** True if the key contains a request header. @param name in lower case */
  keyHolds(name: string): boolean {
    return this.choosingHeaders.includes(name) || this.held.headers.has(name);
  }

  /** The inputs that select between the variants of a call, sorted. */
  inputsOf(call: Call): readonly RequestInput[] {
    return this.variants.inputsOf(baseOf(call), this.#isWatched ? watchOf(call.request!) : undefined);
  }

  /** Request headers that outer caches must select by: those that this cache selects by and that clients send. */
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

  /** True if the answer depends on something that outer caches do not see. */
  isPrivate(call: Call): boolean {
    const written = watchOf(call.request!)?.written ?? [];
    return this.inputsOf(call).some(({ header, isOfUri }) =>
      header === undefined ? isOfUri !== true : written.includes(header),
    );
  }

  /** True if an input must be logged: each is logged once, and those that the route declares are not. @param name its name in the log */
  reports(name: string): boolean {
    if (this.#reported.has(name) || this.#reported.size >= MAX_REPORTED) return false;
    this.#reported.add(name);
    return !this.options.vary.some((declared) => headerInput(declared).name === name);
  }

  /** True if the answer is the same for every user, or the key identifies the user. */
  answersWhoAsks(request: KeyRequest): boolean {
    const { key } = this.target;
    return this.options.shared || (key.hasIdentity && key.identifies({ args: [], request }));
  }

  /** The part of the key for changes that code made to the request before the load, and for members that it added. */
  #upstreamOf(watch: RequestWatch, request: KeyRequest): string {
    let text = '';
    const rewriting = watch.rewriting(messageOf(request));
    if (rewriting !== undefined) text += `${encodeValue(rewriting)} `;
    if (this.options.query === undefined && hasBrackets(watch.target))
      text += `${encodeValue(queryPairs(watch.target))} `;
    if (this.answersWhoAsks(request)) return text;
    const preset = presetHeaders(watch.objects!.response, this.declaredHeaders);
    const names = preset + watch.leftNames(this.inputs);
    this.#recentNames = names === '' ? '' : `+${this.#encode(names)} `;
    return text + this.#recentNames;
  }

  /** True if answers to a method are cached. */
  caches(method = 'GET'): boolean {
    return this.options.methods.has(method === 'HEAD' ? 'GET' : method);
  }

  /** A method whose requests may have a body, and the type of the body. */
  #methodAndType(method: string, request: KeyRequest): string {
    const type = bodyTypeOf(request);
    return `${method} ${type.length > MAX_TYPE ? `#${hashType(type)}` : this.#encode(type)}`;
  }

  /** Adds every header that a response names in `Vary` to the key of its call. */
  cover(call: Call, names: readonly string[]): 'covered' | 'moved' | 'too-many' {
    return this.variants.cover(call, names.map(headerInput));
  }

  /** The kind of a miss: `vary-miss` if a response to the URI is stored for other values of its `Vary` headers. */
  missOf(call: Call): 'uri-miss' | 'vary-miss' {
    return this.variants.has(call) ? 'vary-miss' : 'uri-miss';
  }

  /** Encodes a text. Hosts and paths are few, so their encodings are kept. */
  #encode(text: string): string {
    let encoded = this.#encoded.get(text);
    if (encoded === undefined) {
      encoded = encodeValue(text);
      if (this.#encoded.size < 100) this.#encoded.set(text, encoded);
    }
    return encoded;
  }
}

/**
 * Request headers from which the values in the key are read. The host is part of the URI, and an answer that depends on Authorization is
 * private.
 */
function headersOf(holds: readonly (readonly string[])[]): readonly string[] {
  return holds.flatMap(([part, name]) => {
    if (part === 'cookies' || part === 'signedCookies') return ['cookie'];
    return part === 'headers' && /^(?!authorization$|host$)[\w-]+$/.test(name ?? '') ? [name!] : [];
  });
}

const hashType = createKeyHash();

/**
 * The host of a request. Behind a proxy that the platform trusts, handlers see the forwarded host and scheme; without one, code may read the
 * headers by hand. Both are part of the key: otherwise a forged header could put its host into links that other users get.
 */
function hostOf(request: KeyRequest): string {
  const { headers } = request;
  const host = headers['host'] ?? headers[':authority'];
  let text = typeof host === 'string' ? host : '';
  const { socket } = messageOf(request) as { readonly socket?: { readonly encrypted?: boolean } | null };
  if (socket?.encrypted === true) text = `https://${text}`;
  if (headers[':scheme'] !== undefined) text += otherPseudoHeaders(headers, socket?.encrypted === true);
  const { 'x-forwarded-host': forwardedHost, 'x-forwarded-proto': forwardedProto } = headers;
  if (forwardedHost !== undefined || forwardedProto !== undefined) {
    const seen = request as { readonly host?: unknown; readonly protocol?: unknown };
    text += ` ${String(seen.protocol)}://${String(seen.host)} ${encodeValue([forwardedHost, forwardedProto])}`;
  }
  if (text.length > MAX_HOST)
    throw new CacheUsageError(
      'CACHE_HOST',
      `its Host header is longer than ${MAX_HOST} characters, which no name is. Refuse such requests in front of the application.`,
    );
  return text.toLowerCase();
}

/** Over HTTP/2 a request may name two hosts, and another scheme than the one of its connection. */
function otherPseudoHeaders(headers: KeyRequest['headers'], isEncrypted: boolean): string {
  const { ':authority': authority, ':scheme': scheme, host } = headers;
  const isPlain = scheme === (isEncrypted ? 'https' : 'http') && (host === undefined || host === authority);
  return isPlain ? '' : ` ${encodeValue([scheme, authority])}`;
}

/** Parsers make the same of `sort=a` and `sort[]=a`. */
function hasBrackets(target: string): boolean {
  const start = target.indexOf('?');
  return start >= 0 && /\[|%5b/i.test(target.slice(start));
}

/** The pairs of a query in the order of the client, grouped by the name before the brackets. */
function queryPairs(target: string): readonly (readonly string[])[] {
  const search = target.slice(target.indexOf('?') + 1);
  const pairs = [...new URLSearchParams(search)];
  const rootOf = (name: string): string => name.slice(0, Math.max(0, name.indexOf('['))) || name;
  return pairs.sort(([one], [other]) => {
    const [left, right] = [rootOf(one), rootOf(other)];
    return left === right ? 0 : left < right ? -1 : 1;
  });
}

/** The default key of a handler: all that its answers may depend on, by its options. */
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

/** Versioning of an application: the part of Nest's `VersioningOptions` that is read here. */
export interface Versioning {
  /** A `VersioningType` of Nest. */
  readonly type?: number;
  /** Prefix of versions in the path. Default `'v'`; `false` for none. */
  readonly prefix?: string | false;
  readonly header?: string;
  readonly extractor?: (request: unknown) => unknown;
}

/** Reads the version that a request asks for. */
export type RequestVersion = (request: KeyRequest) => unknown;

/** Reads the version of a request, if one handler may serve several. Versions in the URL are part of the path. */
export function requestVersion({ type, header = '', extractor }: Versioning): RequestVersion {
  const name = header.toLowerCase();
  if (type === VersioningType.HEADER) return ({ headers }) => headers[name];
  if (type === VersioningType.MEDIA_TYPE)
    return ({ headers }) => String(headers['accept'] ?? '').split(';')[1];
  if (type === VersioningType.CUSTOM) return (request) => extractor?.(request);
  return () => undefined;
}

/** The prefix of versions in paths; `undefined` if versions are not in the path. */
export function versionPrefix({ type, prefix = 'v' }: Versioning): string | undefined {
  if (type !== VersioningType.URI) return undefined;
  return prefix === false ? '' : prefix;
}
