import { Headers, Ip, Req } from '@nestjs/common';
import { inputOf, type InputName } from './inputs.js';

/** A request of Express, of Fastify or of Node: what it holds depends on the platform and on who reads it. */
export type AnyRequest = Record<string | symbol, any>;

/** A value that one input gives when it is read in one way. */
export interface Source {
  readonly input: InputName;
  readonly way: string;
}

type HeaderWay = (request: AnyRequest, name: string) => string | undefined;

const rawOf = (request: AnyRequest): AnyRequest => request['raw'] ?? request;

/** Reads that name the header they want. */
const NAMED: Record<string, HeaderWay> = {
  'headers[x]': ({ headers }, name) => headers[name],
  'get(x)': (request, name) =>
    typeof request['get'] === 'function' ? request['get'](name) : request['headers'][name],
  'x in headers': ({ headers }, name) => (name in headers ? headers[name] : undefined),
  'Object.hasOwn': ({ headers }, name) => (Object.hasOwn(headers, name) ? headers[name] : undefined),
  'Reflect.get': ({ headers }, name) => Reflect.get(headers, name),
  'property descriptor': ({ headers }, name) => {
    const descriptor = Object.getOwnPropertyDescriptor(headers, name);
    return descriptor?.get === undefined ? descriptor?.value : descriptor.get.call(headers);
  },
};

/** Reads that touch all headers. */
const ENUMERATING: Record<string, HeaderWay> = {
  'Object.keys': ({ headers }, name) => {
    const found = Object.keys(headers).find((one) => one === name);
    return found === undefined ? undefined : headers[found];
  },
  'Object.entries': ({ headers }, name) => new Map<string, string>(Object.entries(headers)).get(name),
  'for…in': ({ headers }, name) => {
    for (const one in headers) if (one === name) return headers[one];
    return undefined;
  },
  spread: ({ headers }, name) => ({ ...headers })[name],
  'rest pattern': ({ headers }, name) => {
    const { te: _te, ...rest } = headers;
    return rest[name];
  },
  'JSON.stringify': ({ headers }, name) => JSON.parse(JSON.stringify(headers))[name],
  structuredClone: ({ headers }, name) => structuredClone(headers)[name],
  rawHeaders: (request, name) => {
    const raw: string[] = rawOf(request)['rawHeaders'];
    const at = raw.findIndex((one, index) => index % 2 === 0 && one.toLowerCase() === name);
    return at < 0 ? undefined : raw[at + 1];
  },
  headersDistinct: (request, name) => rawOf(request)['headersDistinct'][name]?.[0],
};

/** Reads of the inputs that frameworks parse out of headers or of the target. */
const PARSED: Partial<Record<InputName, Record<string, (request: AnyRequest) => string | undefined>>> = {
  'cookie sid': { 'request.cookies': ({ cookies }) => cookies?.sid },
  'cookie theme': { 'request.cookies': ({ cookies }) => cookies?.theme },
  'client address': {
    'request.ip': (request) => request['ip'],
    'request.ips': (request) => request['ips']?.at(-1),
    'socket.remoteAddress': (request) => request['socket']?.remoteAddress,
  },
  host: { hostname: (request) => request['hostname'] },
  'x-forwarded-host': { hostname: (request) => request['hostname'] },
  'x-forwarded-proto': { protocol: (request) => request['protocol'] },
  'query tenant': {
    'request.query': (request) => request['query']?.tenant,
    'search parameters of the url': ({ url }) =>
      new URL(url, 'http://a.test').searchParams.get('tenant') ?? undefined,
  },
  'path prefix': {
    originalUrl: ({ originalUrl }) => /^\/t\/(\w+)/.exec(originalUrl ?? '')?.[1],
    'left by the rewriting': (request) => rawOf(request)['rewrittenTenant'],
  },
};

/** Parameter decorators, for a handler only. */
const DECORATORS: Record<string, (name: string) => ParameterDecorator> = {
  '@Headers(x)': (name) => Headers(name),
  '@Headers()': () => Headers(),
  '@Ip()': () => Ip(),
  '@Req({ headers })': () => Req(),
};

function isParsedOnly(input: InputName): boolean {
  return inputOf(input).header === undefined;
}

/** Ways in which middleware, a guard or an interceptor may read the input. */
export function waysOf(input: InputName): string[] {
  const parsed = Object.keys(PARSED[input] ?? {});
  return isParsedOnly(input) ? parsed : [...parsed, ...Object.keys(NAMED), ...Object.keys(ENUMERATING)];
}

/** Parameter decorators by which a handler may read the input. */
export function decoratorsOf(input: InputName): string[] {
  if (isParsedOnly(input)) return [];
  return Object.keys(DECORATORS).filter((way) => way !== '@Ip()' || input === 'client address');
}

export function isEnumerating({ way }: Source): boolean {
  return way in ENUMERATING;
}

export function isParameter({ way }: Source): boolean {
  return way in DECORATORS;
}

/** Reads the source from a request. */
export function read({ input, way }: Source, request: AnyRequest): string | undefined {
  const parsed = PARSED[input]?.[way];
  if (parsed !== undefined) return parsed(request);
  const { header, pick } = inputOf(input);
  const text = (NAMED[way] ?? ENUMERATING[way])!(request, header!);
  return text === undefined || pick === undefined ? text : pick(text);
}

export function parameterOf({ input, way }: Source): ParameterDecorator {
  return DECORATORS[way]!(inputOf(input).header!);
}

/** Value of the source in what its parameter decorator gave. */
export function pickParameter({ input, way }: Source, given: any): string | undefined {
  const { header, pick } = inputOf(input);
  const headers =
    way === '@Headers()' ? given : way === '@Req({ headers })' ? given.headers : { [header!]: given };
  const text = headers[header!];
  return text === undefined || pick === undefined ? text : pick(text);
}
