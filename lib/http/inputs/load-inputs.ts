import { currentLoad, type LoadContext } from '../../cache/engine/load-context.js';
import type { LoadInput } from '../../cache/engine/load-input.js';
import { ADDRESS, observeConnection } from './connection-members.js';
import type { HeldInputs } from './held-inputs.js';
import { InnerLoads, ScopedInput } from './inner-loads.js';
import type { InputRules } from './input-rules.js';
import { isPrimitive, type LeftMember } from './left-members.js';
import { alwaysNeutralNames } from './neutral-headers.js';
import { hideReadsOf, membersWatched, observeMember } from './observed-objects.js';
import { headerInput, type RequestInput, type RequestObjects } from './request-input.js';
import {
  ALL_HEADERS,
  CREDENTIAL_HEADERS,
  type LoadObserver,
  messageOf,
  type RequestHeaders,
  type RequestWatch,
  watchOf,
} from './request-watch.js';
import { ADDRESS_MEMBERS } from './platform-members.js';
import { observeResponse, type ResponseObserver } from './response-reads.js';

/**
 * Watches what a load reads of its request, from now on.
 * @returns a function that ends the watch, after which layers below may read
 */
export function watchLoad(context: LoadContext, objects: RequestObjects, terms: LoadTerms): () => void {
  const watch = watchOf(objects.request);
  if (watch === undefined) return () => undefined;
  const inputs = new LoadInputs(context, watch, objects, terms);
  watch.handOver(messageOf(objects.request), inputs);
  return inputs.stop;
}

/**
 * Watches what loads of values read inside a handler whose own answer is not stored: for example `getOrSet` in a loader that closes over
 * the request.
 */
export function watchInnerLoads(objects: RequestObjects, rules: InputRules): void {
  const watch = watchOf(objects.request);
  if (watch === undefined) return;
  const message = messageOf(objects.request) as object;
  const observe = (target: object, member: string | symbol, input: LoadInput): void => {
    observeMember(target, member, (value) => {
      currentLoad()?.readInput(input);
      return value;
    });
  };
  if (watch.leftNames(rules) !== '')
    for (const { target, member, input } of watch.leftFor(rules)) observe(target, member, input);
  for (const { target, input } of watch.bodiesLeft()) observe(target, 'body', input);
  for (const member of WHOLE_MEMBERS) observe(message, member, ALL_HEADERS);
  hideReadsOf(objects.request, ['query']);
  observeTarget(objects.request, undefined, () => undefined);
  observeConnection(message, rules.ignoredProperties);
  observeResponse(objects.response, NO_HEADERS, {
    isActive: true,
    readResponse: (input) => void currentLoad()?.readInput(input),
    readSet: (name) => void currentLoad()?.readInput(setHeader(name)),
  });
}

const NO_HEADERS: ReadonlySet<string> = new Set();

const setHeader = (name: string): LoadInput =>
  new ScopedInput(`the response header ${name} that the handler set`);

/** What a load of a route may read, and what happens to other reads. */
export interface LoadTerms {
  readonly rules: InputRules;
  readonly held: HeldInputs;
  /** Lower-case names of response headers that `@Header()` sets before the load. */
  readonly declaredHeaders: ReadonlySet<string>;
  /** True if the answer is the same for every user, or the key identifies the user. */
  readonly isAnswered: boolean;
  /** Adds an input to the key. @returns false if the key has too many */
  hold(input: RequestInput): boolean;
}

/**
 * Members of the platform that the key contains. They read the client's address, to find out which proxies to trust, or parse the URL: these
 * reads do not count.
 */
const HELD_MEMBERS = ['protocol', 'hostname', 'host', 'port', 'secure', 'subdomains', 'query'];

/** All headers or trailers at once, as received. */
const WHOLE_MEMBERS = ['rawHeaders', 'headersDistinct', 'trailers', 'rawTrailers', 'trailersDistinct'];

/**
 * Watches what the load of a cached route reads of its request. An input that the key does not contain becomes part of the variant if it is
 * a header or a plain value; otherwise it keeps the answer from being stored.
 */
class LoadInputs implements LoadObserver, ResponseObserver {
  readonly #values = new Map<string, unknown>();
  readonly #headers: RequestHeaders;
  readonly #written = new Set<string>();
  isActive = true;

  constructor(
    readonly context: LoadContext,
    private readonly watch: RequestWatch,
    private readonly objects: RequestObjects,
    private readonly terms: LoadTerms,
  ) {
    this.#headers = watch.freeze(this.#values);
    context.inputSink = (input) => this.#readInherited(input);
    context.scope = new InnerLoads(objects, terms.rules);
    const { request, response } = objects;
    const message = messageOf(request) as object;
    // Before members of the request are replaced here, since the replacements would be found too.
    const leftMembers = terms.isAnswered ? [] : watch.leftFor(terms.rules);
    for (const member of WHOLE_MEMBERS)
      observeMember(message, member, (value) =>
        this.#reports(value, () => this.readAllHeaders(), ALL_HEADERS),
      );
    hideReadsOf(request, HELD_MEMBERS);
    observeTarget(request, context, () => this.isActive && this.#hold(SPELLED_TARGET));
    observeResponse(response, terms.declaredHeaders, this);
    if (terms.isAnswered) return;
    for (const left of leftMembers) this.#observe(left);
    this.#observeBodies();
    if (!terms.held.whole.has('ip')) this.#observeAddress(request, message);
    observeConnection(message, terms.rules.ignoredProperties);
  }

  /** Reads from now on are made by layers below the load. */
  readonly stop = (): void => {
    this.isActive = false;
  };

  readHeader(name: string): void {
    const { rules, held, isAnswered } = this.terms;
    if (!this.isActive || alwaysNeutralNames.has(name)) return;
    if (rules.ignoredHeaders.has(name) || held.headers.has(name) || this.#written.has(name)) return;
    if (CREDENTIAL_HEADERS.has(name)) {
      if (isAnswered) return;
      if (this.#headers[name] !== undefined) return this.#refuse(headerInput(name));
    }
    this.#hold(headerInput(name));
  }

  readAllHeaders(): void {
    if (this.isActive) this.#refuse(ALL_HEADERS);
  }

  readResponse(input: RequestInput, value: unknown): void {
    this.#reports(value, () => this.terms.isAnswered || this.#readMember(input.label, input, value), input);
  }

  readSet(name: string): void {
    const inner = currentLoad();
    if (inner !== undefined && inner !== this.context) inner.readInput(setHeader(name));
  }

  wroteHeader(name: string): void {
    this.#written.add(name);
  }

  #hold(input: RequestInput): void {
    if (this.context.refusal === undefined && !this.#tryHold(input))
      this.context.refuse(
        `its answers vary by too many inputs, ${input.name} among them: ${input.advice}`,
        true,
        'variants',
      );
  }

  /** Code that reads a request must not fail because the value cannot be encoded in a key. */
  #tryHold(input: RequestInput): boolean {
    try {
      return this.terms.hold(input);
    } catch {
      return false;
    }
  }

  #refuse({ name, advice }: LoadInput): void {
    this.context.refuse(`its load read ${name}, which its key does not hold: ${advice}`, true, 'input');
  }

  /** For a value that was loaded within this load, or for an ambient context. */
  #readInherited(input: LoadInput): void {
    if (!this.isActive || input instanceof ScopedInput) return;
    const { header, keyValueOf } = input as Partial<RequestInput>;
    if (header !== undefined) this.readHeader(header);
    else if (keyValueOf !== undefined) this.#hold(input as RequestInput);
    else if (input === PARAMETERS || (input === ADDRESS && this.terms.held.whole.has('ip'))) return;
    else if (input === ALL_HEADERS || !this.terms.isAnswered) this.#refuse(input);
  }

  #reports(value: unknown, own: () => unknown, input: LoadInput): unknown {
    const inner = currentLoad();
    if (inner !== undefined && inner !== this.context) inner.readInput(input);
    if (this.isActive) own();
    return value;
  }

  #observe({ target, member, name, input }: LeftMember): void {
    const { held } = this.terms;
    const isOfRequest = target === this.objects.request && typeof member === 'string';
    if (isOfRequest && held.whole.has(member)) return;
    const names = isOfRequest ? held.members.get(member) : undefined;
    const refuse = (): void => this.#refuse(input);
    const isObserved = observeMember(target, member, (value) => {
      if (names !== undefined && this.isActive) return membersWatched(value, names, refuse) ?? value;
      return this.#reports(value, () => this.#readMember(name, input, value), input);
    });
    if (!isObserved) refuse();
  }

  #readMember(name: string, input: RequestInput, value: unknown): void {
    // Made from a header that is missing.
    if ((name === 'cookies' || name === 'signedCookies') && this.#headers['cookie'] === undefined)
      return this.readHeader('cookie');
    if (!isPrimitive(value)) return this.#refuse(input);
    this.#values.set(input.label, value);
    this.#hold(input);
  }

  /** No client sent it: middleware has put it there. */
  #observeBodies(): void {
    for (const { target, name, input } of this.watch.bodiesLeft())
      observeMember(target, 'body', (value) =>
        this.#reports(value, () => this.#readMember(name, input, value), input),
      );
  }

  #observeAddress(request: object, message: object): void {
    const read = (value: unknown): unknown => this.#reports(value, () => this.#refuse(ADDRESS), ADDRESS);
    for (const target of new Set([request, message]))
      for (const member of ADDRESS_MEMBERS) if (member in target) observeMember(target, member, read);
  }
}

const PARAMETERS: LoadInput = {
  name: 'the parameters of the request',
  advice: 'make what it needs of them a part of the key',
};

/** The key contains parsed parameters. A value has many spellings, and a page that repeats one of them may be harmful to others. */
const SPELLED_TARGET: RequestInput = {
  label: '@target',
  header: undefined,
  isOfUri: true,
  name: 'the URL as the client spelled it',
  advice: 'read request.params and request.query in place of request.url',
  keyValueOf: (_headers, objects) => objects && watchOf(objects.request)?.target,
};

/** Members of requests that depend on the URL. Keys of routes contain the parameters; keys of values that are loaded within do not. */
const TARGET_MEMBERS: Readonly<Record<string, LoadInput>> = {
  params: PARAMETERS,
  query: PARAMETERS,
  url: SPELLED_TARGET,
  originalUrl: SPELLED_TARGET,
};

/**
 * @param own the load whose key contains the parameters
 * @param readSpelling called when a load reads the URL
 */
function observeTarget(request: object, own: LoadContext | undefined, readSpelling: () => void): void {
  const { raw } = request as { readonly raw?: object };
  for (const target of raw === undefined ? [request] : [request, raw])
    for (const [member, input] of Object.entries(TARGET_MEMBERS))
      if (member in target)
        observeMember(target, member, (value) => {
          const inner = currentLoad();
          if (inner !== undefined && inner !== own) inner.readInput(input);
          if (input === SPELLED_TARGET) readSpelling();
          return value;
        });
}
