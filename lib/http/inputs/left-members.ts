import type { KeyRequest } from '../../keys/key.interface.js';
import { connectionNames } from './connection-members.js';
import { runUnobserved } from './observed-reads.js';
import {
  type MemberHolder,
  OBSERVER_MEMBERS,
  type PlatformMembers,
  platformMembers,
} from './platform-members.js';
import { headerInput, type RequestInput, type RequestObjects } from './request-input.js';

type Name = string | symbol;

/** How one kind of object is reached from a request, and how its members are named. */
interface Place {
  readonly kind: MemberHolder | 'locals';
  readonly prefix: string;
  of(objects: RequestObjects): object | undefined;
}

const rawOf = (object: object): object | undefined => (object as { readonly raw?: object }).raw;
const localsOf = (response: object | undefined): object | undefined => {
  const locals = (response as { readonly locals?: unknown } | undefined)?.locals;
  return typeof locals === 'object' && locals !== null ? locals : undefined;
};

const EXPRESS: readonly Place[] = [
  { kind: 'express.request', prefix: '', of: ({ request }) => request },
  { kind: 'express.response', prefix: 'response.', of: ({ response }) => response },
  { kind: 'locals', prefix: 'locals.', of: ({ response }) => localsOf(response) },
];

const FASTIFY: readonly Place[] = [
  { kind: 'fastify.request', prefix: '', of: ({ request }) => request },
  { kind: 'fastify.raw', prefix: 'raw.', of: ({ request }) => rawOf(request) },
  { kind: 'fastify.reply', prefix: 'response.', of: ({ response }) => response },
  { kind: 'fastify.rawResponse', prefix: 'raw.response.', of: ({ response }) => rawOf(response) },
  { kind: 'locals', prefix: 'locals.', of: ({ response }) => localsOf(response) },
  { kind: 'locals', prefix: 'raw.locals.', of: ({ response }) => localsOf(rawOf(response)) },
];

/** Own members that objects had before other code ran, by prototype and number of members: those of tests and adapters differ. */
const pristine = new WeakMap<object, Map<number, PlatformMembers>>();

/** Records the members of an object of Node or Express before other code runs. */
export function notePristine(kind: MemberHolder, object: object): PlatformMembers {
  const prototype = Object.getPrototypeOf(object) as object;
  let byCount = pristine.get(prototype);
  if (byCount === undefined) pristine.set(prototype, (byCount = new Map()));
  const count = Object.keys(object).length;
  let members = byCount.get(count);
  if (members === undefined) {
    members = platformMembers(kind, object);
    if (byCount.size < MAX_PRISTINE) byCount.set(count, members);
  }
  return members;
}

const MAX_PRISTINE = 50;

/** A member that upstream code has put on a request, which the load may read. */
export interface LeftMember {
  readonly target: object;
  readonly member: Name;
  /** The name in `ignoreProperties`. */
  readonly name: string;
  readonly input: RequestInput;
}

/** The members of one request that do not belong to the platform. */
export class LeftMembers {
  readonly #places: readonly Place[];
  readonly #pristine: Partial<Record<MemberHolder, PlatformMembers>>;

  /** Called before other code runs, with the objects of Node or Express. */
  constructor(platform: 'express' | 'fastify', message: object, response: object) {
    this.#places = platform === 'express' ? EXPRESS : FASTIFY;
    this.#pristine =
      platform === 'express'
        ? {
            'express.request': notePristine('express.request', message),
            'express.response': notePristine('express.response', response),
          }
        : {
            'fastify.raw': notePristine('fastify.raw', message),
            'fastify.rawResponse': notePristine('fastify.rawResponse', response),
          };
  }

  /** The names of the members, for the key: the next request may have members that this one lacks. Empty without members. */
  names(objects: RequestObjects, ignored: ReadonlySet<string>): string {
    let names = '';
    for (const place of this.#places) {
      const target = place.of(objects);
      if (target === undefined) continue;
      const found = this.#foreign(place, target, place.prefix === '' || place.prefix === 'raw.');
      for (const member of found) {
        const name = place.prefix + labelOf(member);
        if (!ignored.has(name) && !isOfEvery(place, member)) names += names === '' ? name : `,${name}`;
      }
    }
    const ofConnection = connectionNames(rawOf(objects.request) ?? objects.request, ignored);
    if (ofConnection === '') return names;
    return names === '' ? ofConnection : `${names},${ofConnection}`;
  }

  find(objects: RequestObjects, ignored: ReadonlySet<string>): readonly LeftMember[] {
    return this.#places.flatMap((place) => {
      const target = place.of(objects);
      if (target === undefined) return [];
      return this.#foreign(place, target, true)
        .map((member) => ({ target, member, name: place.prefix + labelOf(member) }))
        .filter(({ name }) => !ignored.has(name))
        .map((left) => ({ ...left, input: new MemberInput(place, left.member, left.name) }));
    });
  }

  /** @param isWhole includes symbols and members that are not enumerable, which takes longer */
  #foreign({ kind }: Place, target: object, isWhole: boolean): readonly Name[] {
    const keys = isWhole ? Reflect.ownKeys(target) : Object.keys(target);
    if (kind === 'locals') return keys;
    const members = (this.#pristine[kind] ??= notePristine(kind, target));
    const foreign = foreignOf(members, target, keys);
    const serializer = kind === 'fastify.reply' ? serializerOf(target) : undefined;
    return serializer === undefined ? foreign : [...foreign, serializer];
  }
}

const SERIALIZER = 'fastify.reply.serializer';
let lastSerializer: symbol | undefined;

/** Each reply of Fastify has a member for a serializer, which code may set for one of them. */
function serializerOf(reply: object): symbol | undefined {
  if (lastSerializer === undefined || !(lastSerializer in reply))
    lastSerializer = Object.getOwnPropertySymbols(reply).find(
      ({ description }) => description === SERIALIZER,
    );
  const isSet = lastSerializer !== undefined && typeof Reflect.get(reply, lastSerializer) === 'function';
  return isSet ? lastSerializer : undefined;
}

/** Requests of one route mostly have the same members, so the result for a list of members is remembered. */
const found = new WeakMap<
  PlatformMembers,
  { readonly keys: readonly Name[]; readonly foreign: readonly Name[] }[]
>();
const MAX_FOUND = 8;

function foreignOf(members: PlatformMembers, target: object, keys: readonly Name[]): readonly Name[] {
  let lists = found.get(members);
  if (lists === undefined) found.set(members, (lists = []));
  for (const list of lists) if (isSameList(list.keys, keys)) return list.foreign;
  const known = new Set(keys);
  const foreign = members
    .foreign(target)
    .filter((member) => (known.has(member) || isDecorator(target, member)) && !isOfObserver(member));
  lists.unshift({ keys, foreign });
  lists.length = Math.min(lists.length, MAX_FOUND);
  return foreign;
}

/** Members that all requests of the application inherit: a getter may depend on the request, a method or a value does not. */
function isDecorator(target: object, member: Name): boolean {
  if (Object.hasOwn(target, member)) return false;
  let level = Object.getPrototypeOf(target) as object | null;
  while (level !== null && !Object.hasOwn(level, member))
    level = Object.getPrototypeOf(level) as object | null;
  return level !== null && Reflect.getOwnPropertyDescriptor(level, member)?.get !== undefined;
}

function isSameList(one: readonly Name[], other: readonly Name[]): boolean {
  if (one.length !== other.length) return false;
  for (let index = one.length - 1; index >= 0; index--) if (one[index] !== other[index]) return false;
  return true;
}

/** Every Fastify request has an id, which is an input only if it is read. */
function isOfEvery({ kind }: Place, member: Name): boolean {
  return kind === 'fastify.request' && member === 'id';
}

/** Members whose content is examined separately: the key contains the query, and `locals` has its own members. */
const CONTAINERS: ReadonlySet<string> = new Set(['query', 'locals']);

/** Members of loggers and tracers, and of this library. */
function isOfObserver(member: Name): boolean {
  if (typeof member === 'string') return OBSERVER_MEMBERS.has(member) || CONTAINERS.has(member);
  const description = member.description ?? '';
  return description.startsWith('restflow-cache:') || OBSERVER_MEMBERS.has(`Symbol(${description})`);
}

function labelOf(member: Name): string {
  return typeof member === 'string' ? member : `[${member.description ?? ''}]`;
}

/** A body that no client sent. @param isRaw on Node's request below that of Fastify */
export function bodyOf(target: object, isRaw: boolean): LeftMember {
  const place = isRaw ? FASTIFY[1]! : EXPRESS[0]!;
  const name = `${place.prefix}body`;
  return { target, member: 'body', name, input: new MemberInput(place, 'body', name) };
}

/** Values that a key can contain as a whole. */
export function isPrimitive(value: unknown): boolean {
  return (
    value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol')
  );
}

class MemberInput implements RequestInput {
  readonly label: string;
  readonly header = undefined;

  constructor(
    private readonly place: Place,
    private readonly member: Name,
    private readonly path: string,
  ) {
    this.label = `@${path}`;
  }

  get name(): string {
    const { prefix } = this.place;
    return prefix === '' ? `request.${this.path}` : this.path;
  }

  get advice(): string {
    if (this.path === 'cookies' || this.path === 'signedCookies') return headerInput('cookie').advice;
    return (
      `give the handler a keyConstructor with new RequestValueKeyField('${this.path}'), or say forRoot({ ignoreProperties: ['${this.path}'] }) if ` +
      `it chooses no answer, or shared: true if the answer is the same for all`
    );
  }

  /** A value that a key cannot contain gets a unique text: the load that reads it is not stored. */
  keyValueOf(_headers: KeyRequest['headers'], objects: RequestObjects | undefined): unknown {
    if (objects?.atLoad?.has(this.label) === true) return objects.atLoad.get(this.label);
    try {
      const target = objects && this.place.of(objects);
      const value: unknown = target && runUnobserved(() => Reflect.get(target, this.member) as unknown);
      return isPrimitive(value) ? value : { not: 'held' };
    } catch {
      return { not: 'read' };
    }
  }
}
