import { isObserved } from './observed-reads.js';
import type { RequestInput } from './request-input.js';

type AnyMethod = (...args: unknown[]) => unknown;
type Headers = Readonly<Record<string, unknown>>;

/** An Express response, a reply of Fastify, or Node's response below it. */
interface HeaderHolder {
  getHeaders?(): Headers;
  getHeader?(name: string): unknown;
  hasHeader?(name: string): boolean;
}

/** Methods that read one header. */
const SINGLE = ['getHeader', 'hasHeader'] as const;
/** Methods that read all headers. */
const WHOLE = ['getHeaders', 'getHeaderNames'] as const;

/** Headers that code adds members to: their former value chooses no answer. */
const APPENDED: ReadonlySet<string> = new Set(['set-cookie', 'vary']);

/** Headers that platforms look for before they set them on any answer: keys tell which of them upstream code has set. */
const PRESET = [
  ...[
    'accept-ranges',
    'cache-control',
    'content-disposition',
    'content-encoding',
    'content-length',
    'content-range',
  ],
  ...['content-type', 'etag', 'last-modified', 'link', 'location', 'transfer-encoding'],
];

/**
 * Names of the headers by which upstream code has described the body, and that the platform leaves as they are then.
 *
 * @param declared names that `@Header()` sets, which are the same for all requests
 */
export function presetHeaders(response: object, declared: ReadonlySet<string>): string {
  const holder = response as HeaderHolder;
  if (typeof holder.hasHeader !== 'function') return '';
  let names = '';
  for (const name of PRESET) if (holder.hasHeader(name) && !declared.has(name)) names += `${name},`;
  return names;
}

/** Told of each header of the response that a load reads, as upstream code left it. */
export interface ResponseObserver {
  readonly isActive: boolean;
  /** @param value `undefined` for a header that upstream code did not set */
  readResponse(input: RequestInput, value: unknown): void;
  /** Told of a header that was set or changed since the load began, which a load of a value within it may read. */
  readSet(name: string): void;
}

/**
 * Watches reads of the headers that upstream code has set on the response: they are values like those on the request. Absent ones count
 * too: upstream code may set them for another request.
 *
 * @param declared names that `@Header()` sets before the load
 */
export function observeResponse(
  response: object,
  declared: ReadonlySet<string>,
  observer: ResponseObserver,
): void {
  const { raw } = response as { readonly raw?: object };
  const before = new Map(
    Object.entries(headersOf(response)).map(([name, value]) => [name.toLowerCase(), value] as const),
  );
  const read = (holder: object, name: string): void => {
    const value = before.get(name);
    if (originalsOf(holder).getHeader?.(name) !== value) return observer.readSet(name);
    if (declared.has(name) || APPENDED.has(name)) return;
    if (value === undefined && PRESET.includes(name)) return;
    observer.readResponse(headerInput(name), plain(value));
  };
  const readAll = (holder: object): void => {
    const set = Object.keys(originalsOf(holder).getHeaders?.() ?? {}).map((name) => name.toLowerCase());
    for (const name of new Set([...before.keys(), ...set])) read(holder, name);
    observer.readResponse(NAMES, namesOf(before.keys()));
  };
  for (const holder of raw === undefined ? [response] : [response, raw]) {
    const isRead = (): boolean => observer.isActive && isObserved();
    for (const name of SINGLE)
      replace(holder, name, (header) => isRead() && read(holder, String(header).toLowerCase()));
    for (const name of WHOLE) replace(holder, name, () => isRead() && readAll(holder));
  }
}

const ORIGINALS = new WeakMap<object, HeaderHolder>();

/** Methods of the holder that report nothing. */
function originalsOf(holder: object): HeaderHolder {
  return ORIGINALS.get(holder) ?? (holder as HeaderHolder);
}

function replace(holder: object, method: string, before: (...args: unknown[]) => unknown): void {
  const original = Reflect.get(holder, method) as AnyMethod | undefined;
  if (typeof original !== 'function') return;
  const originals = ORIGINALS.get(holder) ?? {};
  ORIGINALS.set(holder, {
    ...originals,
    [method]: (...args: unknown[]) => Reflect.apply(original, holder, args) as never,
  });
  const value = (...args: unknown[]): unknown => {
    before(...args);
    return Reflect.apply(original, holder, args);
  };
  Reflect.defineProperty(holder, method, { value, configurable: true, writable: true, enumerable: false });
}

function headersOf(response: object): Headers {
  const { getHeaders } = response as HeaderHolder;
  return typeof getHeaders === 'function' ? { ...(Reflect.apply(getHeaders, response, []) as Headers) } : {};
}

function namesOf(names: Iterable<string>): string {
  return [...names]
    .filter((name) => !APPENDED.has(name))
    .sort()
    .join();
}

function plain(value: unknown): unknown {
  return Array.isArray(value) ? String(value) : value;
}

const ADVICE = 'say shared: true if the answer is the same for all';

function headerInput(header: string): RequestInput {
  const label = `@response.headers.${header}`;
  return {
    label,
    header: undefined,
    name: `the response header ${header} that middleware set`,
    advice: ADVICE,
    keyValueOf: (_headers, objects) => {
      if (objects?.atLoad?.has(label) === true) return objects.atLoad.get(label);
      return plain((objects?.response as HeaderHolder | undefined)?.getHeader?.(header));
    },
  };
}

const NAMES: RequestInput = {
  label: '@response.headers',
  header: undefined,
  name: 'which response headers middleware set',
  advice: ADVICE,
  keyValueOf: (_headers, objects) => {
    if (objects?.atLoad?.has('@response.headers') === true) return objects.atLoad.get('@response.headers');
    return objects === undefined
      ? ''
      : namesOf(Object.keys(headersOf(objects.response)).map((name) => name.toLowerCase()));
  },
};
