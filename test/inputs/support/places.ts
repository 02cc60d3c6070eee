import { AsyncLocalStorage } from 'node:async_hooks';
import type { Shape } from './recipe.js';
import type { AnyRequest } from './ways.js';

/** Request and response as the code of one stage sees them. */
export interface Exchange {
  readonly request: AnyRequest;
  readonly response: AnyRequest;
}

/** Where one step of one running application keeps what is no part of the request. */
export class StepState {
  readonly storage = new AsyncLocalStorage<unknown>();
  readonly byRequest = new WeakMap<object, unknown>();
  readonly symbol = Symbol('account');
}

interface Place {
  /** Leaves content, and goes on. */
  leave(content: unknown, exchange: Exchange, state: StepState, next: () => void): void;
  find(exchange: Exchange, state: StepState): unknown;
  /** Forms that the place can take; any where it says nothing. */
  readonly shapes?: readonly Shape[];
  /** Wants `next` to run what comes after. */
  readonly isAround?: boolean;
  /** On the response, which a scoped provider does not have. */
  readonly isOnResponse?: boolean;
}

type Keep = (content: unknown, exchange: Exchange, state: StepState) => void;

function place(keep: Keep, find: Place['find'], more: Partial<Place> = {}): Place {
  return {
    leave: (content, exchange, state, next) => {
      keep(content, exchange, state);
      next();
    },
    find,
    ...more,
  };
}

const property = (name: string): Place =>
  place(
    (content, { request }) => void (request[name] = content),
    ({ request }) => request[name],
  );

/** A member of an object that belongs to the platform. */
const member = (owner: string): Place =>
  place(
    (content, { request }) => void ((request[owner] ??= {}).account = content),
    ({ request }) => request[owner]?.account,
  );

const rawOf = (request: AnyRequest): object => request['raw'] ?? request;
const textOnly = { shapes: ['text'] as const };

/** Places in which a step leaves a value, as applications do. */
export const PLACES = {
  'request.account': property('account'),
  'request.currentUser': property('currentUser'),
  'request.auth': property('auth'),
  'request.user': property('user'),
  'request.session': property('session'),
  'a symbol of the request': place(
    (content, { request }, { symbol }) => void (request[symbol] = content),
    ({ request }, { symbol }) => request[symbol],
  ),
  'a hidden property of the request': place(
    (content, { request }) =>
      void Object.defineProperty(request, 'hidden', { value: content, configurable: true }),
    ({ request }) => request['hidden'],
  ),
  'an accessor of the request': place(
    (content, { request }) =>
      void Object.defineProperty(request, 'lazily', { get: () => content, configurable: true }),
    ({ request }) => request['lazily'],
  ),
  'request.csrfToken()': place(
    (content, { request }) => void (request['csrfToken'] = () => content),
    ({ request }) => request['csrfToken']?.(),
  ),
  'request.params': member('params'),
  'request.query': member('query'),
  'request.body': property('body'),
  'a request header': place(
    (content, { request }) => void (content !== undefined && (request['headers']['x-resolved'] = content)),
    ({ request }) => request['headers']['x-resolved'],
    textOnly,
  ),
  'response.locals': place(
    (content, { response }) => void ((response['locals'] ??= {}).account = content),
    ({ response }) => response['locals']?.account,
    { isOnResponse: true },
  ),
  'a property of the response': place(
    (content, { response }) => void (response['account'] = content),
    ({ response }) => response['account'],
    { isOnResponse: true },
  ),
  'a response header': place(
    (content, { response }) => {
      if (typeof content === 'string')
        (response['header'] ?? response['setHeader']).call(response, 'x-left', content);
    },
    ({ response }) => response['getHeader']('x-left'),
    { ...textOnly, isOnResponse: true },
  ),
  'AsyncLocalStorage.run': {
    leave: (content, _exchange, { storage }, next) => storage.run(content, next),
    find: (_exchange, { storage }) => storage.getStore(),
    isAround: true,
  },
  'AsyncLocalStorage.enterWith': place(
    (content, _exchange, { storage }) => storage.enterWith(content),
    (_exchange, { storage }) => storage.getStore(),
  ),
  'a WeakMap': place(
    (content, { request }, { byRequest }) => void byRequest.set(rawOf(request), content),
    ({ request }, { byRequest }) => byRequest.get(rawOf(request)),
  ),
} satisfies Record<string, Place>;

export type PlaceName = keyof typeof PLACES;
export const PLACE_NAMES = Object.keys(PLACES) as PlaceName[];
export const placeOf = (name: PlaceName): Place => PLACES[name];
export const isContext = (name: PlaceName): boolean => name.startsWith('AsyncLocalStorage');

class Account {
  constructor(private readonly id: string | undefined) {}

  getId(): string | undefined {
    return this.id;
  }
}

/** Gives a value its form; `function` and `getter` read the input only when the load asks. */
export function shaped(shape: Shape, value: () => string | undefined): unknown {
  switch (shape) {
    case 'text':
      return value();
    case 'object':
      return { id: value() };
    case 'nested':
      return { profile: { names: [value()] } };
    case 'map':
      return new Map([['id', value()]]);
    case 'instance':
      return new Account(value());
    case 'function':
      return () => value();
    case 'getter':
      return {
        get id() {
          return value();
        },
      };
  }
}

/** Reads a value out of its form; nothing where nothing was left. */
export function unshaped(shape: Shape, content: any): string | undefined {
  if (content === undefined || content === null) return undefined;
  switch (shape) {
    case 'text':
      return content;
    case 'object':
    case 'getter':
      return content.id;
    case 'nested':
      return content.profile?.names[0];
    case 'map':
      return content.get('id');
    case 'instance':
      return content.getId();
    case 'function':
      return content();
  }
}
