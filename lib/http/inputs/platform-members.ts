import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';

/** The objects of a request: those of Express, those of Fastify, and Node's messages below Fastify's. */
export type MemberHolder =
  | 'express.request'
  | 'express.response'
  | 'fastify.request'
  | 'fastify.reply'
  | 'fastify.raw'
  | 'fastify.rawResponse';

/** Tells the members of the platform (Node, the framework, Nest) from those of other code. */
export interface PlatformMembers {
  /** True if the platform has a member of this name: own, inherited, or added while it handles the request. */
  has(member: PropertyKey): boolean;
  /**
   * Members that other code has put on the object: own ones, those that extend a prototype of Fastify or Express, and own ones that hide an
   * inherited member of the framework (`request.query = …`). Runs no getter.
   */
  foreign(target: object): (string | symbol)[];
}

/** Members that hold the client's address. They belong to the platform, but are inputs if the load reads them. */
export const ADDRESS_MEMBERS: ReadonlySet<string> = new Set(['ip', 'ips']);

/** Members that hold the headers of a request. They belong to the platform: the watch over headers reports their reads. */
const HEADER_MEMBERS: ReadonlySet<PropertyKey> = new Set([
  'headers',
  'rawHeaders',
  'headersDistinct',
  'trailers',
  'rawTrailers',
  'trailersDistinct',
]);

/**
 * Members that loggers and tracers set for their own use; no answer depends on them. Symbols by description. `id` is left out, since
 * handlers put request ids into bodies. `platformMembers()` counts all of these as foreign.
 */
export const OBSERVER_MEMBERS: ReadonlySet<string> = new Set([
  // pino-http, on the request and the response.
  'allLogs',
  'log',
  'Symbol(reqObject)',
  'Symbol(startTime)',
  // OpenTelemetry: listeners that it has bound to a context, and what @fastify/otel decorates.
  'Symbol(OtListeners)',
  'Symbol(fastify otel error status set)',
  'Symbol(fastify otel request context)',
  'Symbol(fastify otel request spans)',
  'opentelemetry',
]);

/**
 * Set by Nest itself: its router, pipes, raw bodies and server-sent events. The id by which code finds providers of the request is left out:
 * guards and middleware may have built them already.
 */
const NEST: readonly string[] = [
  'hosts',
  'rawBody',
  'Symbol(SSE_ABORT_CONTROLLER)',
  'Symbol(nestjs:rejected-by-pipes)',
];

/**
 * Members that appear after the first hook, which a pristine object does not show. Symbols by description, and never by the
 * beginning of one: plugins name theirs like Fastify's own (`fastify.reply.setCookies`).
 */
const ADDED_LATER: Readonly<Record<MemberHolder, readonly string[]>> = {
  // `body` by body-parser, `_body` by its earlier versions, `_parsedOriginalUrl` by parseurl, the others by the router.
  'express.request': [...NEST, '_body', '_parsedOriginalUrl', '_parsedUrl', 'body', 'params', 'route'],
  'express.response': [],
  'fastify.request': [
    ...NEST,
    // By @fastify/cors for enableCors(): whether the route wants preflight requests for itself.
    'corsPreflightEnabled',
    'Symbol(fastify.RequestPayloadStream)',
    'Symbol(fastify.request.cache.validateFns)',
    'Symbol(fastify.request.contentType)',
    'Symbol(fastify.request.onAbort)',
    'Symbol(fastify.request.originalUrl)',
    'Symbol(fastify.request.signal)',
    'Symbol(fastify.request.timeoutTimer)',
  ],
  'fastify.reply': [
    'Symbol(fastify.reply.cache.serializeFns)',
    'Symbol(fastify.reply.endTime)',
    'Symbol(fastify.reply.nextErrorHandler)',
    'Symbol(fastify.reply.serializerDefault)',
  ],
  // Copied by @fastify/middie where Nest runs middleware; `id`, which it copies too, is left out as on the request.
  'fastify.raw': [...NEST, 'body', 'hostname', 'ip', 'ips', 'log', 'originalUrl', 'protocol', 'query'],
  'fastify.rawResponse': ['log'],
};

/**
 * Members of Express's own prototypes, in its versions 4 and 5. By name, since applications extend these prototypes:
 * `Object.defineProperty(app.request, 'tenant', …)` is no member of the platform.
 */
const EXPRESS_INHERITED: Readonly<Partial<Record<MemberHolder, readonly string[]>>> = {
  'express.request': words(
    'accepts acceptsCharset acceptsCharsets acceptsEncoding acceptsEncodings acceptsLanguage acceptsLanguages app fresh get',
    'header host hostname ip ips is param path protocol query range secure stale subdomains xhr',
  ),
  'express.response': words(
    'app append attachment clearCookie contentType cookie download format get header json jsonp links location redirect',
    'render send sendFile sendStatus sendfile set status type vary',
  ),
};

/** Own members that Fastify gives each request and reply; the others are decorators of plugins. */
const FASTIFY_OWN: Readonly<Partial<Record<MemberHolder, readonly string[]>>> = {
  // Not `id`: it is the client's request id, or another for each request.
  // `ips` is inherited, of a subclass that exists only with trustProxy.
  'fastify.request': ['Symbol(fastify.context)', 'body', 'ips', 'log', 'params', 'query', 'raw'],
  'fastify.reply': [
    'Symbol(fastify.reply.errorHandlerCalled)',
    'Symbol(fastify.reply.hasStatusCode)',
    'Symbol(fastify.reply.headers)',
    'Symbol(fastify.reply.hijacked)',
    'Symbol(fastify.reply.isError)',
    'Symbol(fastify.reply.isRunningOnErrorHook)',
    'Symbol(fastify.reply.serializer)',
    'Symbol(fastify.reply.startTime)',
    'Symbol(fastify.reply.trailers)',
    'log',
    'raw',
    'request',
  ],
};

/**
 * Lists the platform's members of an object. Cheap enough for each request: members of prototypes are computed once.
 *
 * Call it in the first middleware of Express or the first `onRequest` hook of Fastify. Node's messages and Express's
 * objects show their own members there, since no other code has run; so do the objects of `inject()` and serverless
 * adapters. Fastify's request and reply already carry the decorators of plugins: their own members are known by name, and
 * inherited ones are those of the prototype at the top, which plugins cannot reach (Fastify decorates a subclass that it
 * makes for each instance). All members of Node's prototypes count as Node's, patched ones included.
 */
export function platformMembers(holder: MemberHolder, pristine: object): PlatformMembers {
  const messages = holder in EXPRESS_INHERITED ? ownOfExpress : ownOfMessages;
  const own = new Set<PropertyKey>(holder in FASTIFY_OWN ? [] : [...messages, ...hiddenOf(pristine)]);
  const names = namesOf(holder);
  const inherited = inheritedMembers(holder, pristine);
  const isNamed = (member: PropertyKey): boolean => own.has(member) || names.has(labelOf(member));
  const isForeign = (target: object, member: string | symbol): boolean => {
    if (isNamed(member) || HEADER_MEMBERS.has(member)) return false;
    const below = inherited.get(member);
    return below === undefined || !mayBeReplaced(below, Reflect.getOwnPropertyDescriptor(target, member)!);
  };
  return {
    has: (member) => isNamed(member) || inherited.has(member) || member in Object.prototype,
    foreign(target) {
      const found = Reflect.ownKeys(target).filter((member) => isForeign(target, member));
      const decorators = frameworkLevels(holder, target)
        .flatMap((level) => Reflect.ownKeys(level))
        .filter((member) => !isNamed(member) && !inherited.has(member));
      return decorators.length === 0 ? found : [...new Set([...found, ...decorators])];
    },
  };
}

/**
 * Own members of messages before the first middleware: those of Node, symbols under which it stores what it computes at the first read
 * (`headersDistinct`), and those of messages that `inject()` and serverless adapters make. Any other one was put
 * there by code in front of the platform, whose reads nobody has watched.
 */
const ownOfMessages: readonly PropertyKey[] = [...nodeMembers(), ...['body', 'headers', 'isLightMyRequest']];

/** Own members that Express adds. Below Fastify, those are other code's. */
const ownOfExpress: readonly PropertyKey[] = [
  ...ownOfMessages,
  ...['baseUrl', 'locals', 'next', 'originalUrl', 'params', 'req', 'res'],
];

function nodeMembers(): readonly PropertyKey[] {
  const message = new IncomingMessage(new Socket());
  for (const member of HEADER_MEMBERS) Reflect.get(message, member);
  const response = new ServerResponse(message);
  return [
    ...Object.getOwnPropertySymbols(message),
    ...Object.keys(message),
    ...Object.getOwnPropertySymbols(response),
    ...Object.keys(response),
  ];
}

/** Symbols, and members that begin with `_`: which of them Node sets depends on its version. */
function hiddenOf(pristine: object): readonly PropertyKey[] {
  return Reflect.ownKeys(pristine).filter((member) => typeof member === 'symbol' || member.startsWith('_'));
}

interface InheritedMember {
  readonly descriptor: PropertyDescriptor;
  readonly isOfNode: boolean;
}

/**
 * Own members over inherited ones that say nothing of other code: values for which Node keeps a default on its prototypes
 * (`statusCode`, `_eventsCount`), and methods of Node's that tracers and compression wrap.
 */
function mayBeReplaced({ descriptor, isOfNode }: InheritedMember, over: PropertyDescriptor): boolean {
  if (!isOfNode || descriptor.get !== undefined || descriptor.set !== undefined) return false;
  return typeof descriptor.value !== 'function' || typeof over.value === 'function';
}

const inheritedByPrototype = new WeakMap<object, ReadonlyMap<PropertyKey, InheritedMember>>();

function inheritedMembers(holder: MemberHolder, target: object): ReadonlyMap<PropertyKey, InheritedMember> {
  const nearest = Object.getPrototypeOf(target) as object;
  const known = inheritedByPrototype.get(nearest);
  if (known !== undefined) return known;
  const isKnownHere = (member: PropertyKey): boolean =>
    EXPRESS_INHERITED[holder]?.includes(labelOf(member)) ?? false;
  const framework = frameworkLevels(holder, target);
  const found = new Map<PropertyKey, InheritedMember>();
  for (const level of prototypesOf(target)) {
    const isOfFramework = framework.includes(level);
    for (const member of Reflect.ownKeys(level)) {
      if (found.has(member) || (isOfFramework && !isKnownHere(member))) continue;
      const descriptor = Reflect.getOwnPropertyDescriptor(level, member)!;
      found.set(member, { descriptor, isOfNode: !isOfFramework && !(holder in FASTIFY_OWN) });
    }
  }
  inheritedByPrototype.set(nearest, found);
  return found;
}

/**
 * Prototypes that applications and plugins extend: Express's, which stand over the prototype of Node's class, and all of
 * Fastify's but the top.
 */
function frameworkLevels(holder: MemberHolder, target: object): object[] {
  const levels = prototypesOf(target);
  if (holder in FASTIFY_OWN) return levels.slice(0, -1);
  if (!(holder in EXPRESS_INHERITED)) return [];
  return levels.slice(
    0,
    levels.findIndex((level) => Object.hasOwn(level, 'constructor')),
  );
}

const namesByHolder = new Map<MemberHolder, ReadonlySet<string>>();

function namesOf(holder: MemberHolder): ReadonlySet<string> {
  let known = namesByHolder.get(holder);
  if (known === undefined) {
    known = new Set([...ADDED_LATER[holder], ...(FASTIFY_OWN[holder] ?? [])]);
    namesByHolder.set(holder, known);
  }
  return known;
}

/** Prototypes from the nearest to the one below Object.prototype. */
function prototypesOf(target: object): object[] {
  const found: object[] = [];
  let level = Object.getPrototypeOf(target) as object | null;
  for (; level !== null && level !== Object.prototype; level = Object.getPrototypeOf(level) as object | null)
    found.push(level);
  return found;
}

function labelOf(member: PropertyKey): string {
  return typeof member === 'symbol' ? `Symbol(${member.description ?? ''})` : String(member);
}

function words(...lines: string[]): string[] {
  return lines.flatMap((line) => line.split(' '));
}
