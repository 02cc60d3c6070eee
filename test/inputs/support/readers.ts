import {
  createParamDecorator,
  Inject,
  Injectable,
  NotFoundException,
  Scope,
  StreamableFile,
  type ArgumentsHost,
  type CallHandler,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
  type Provider,
  type Type,
} from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { Readable } from 'node:stream';
import { map, type Observable } from 'rxjs';
import { CacheResult, CacheService } from '../../../lib/index.js';
import type { Exchange } from './places.js';
import type { Reader, ReaderName } from './recipe.js';
import { exchangeOf } from './steps.js';
import { isParameter, parameterOf, pickParameter, type AnyRequest, type Source } from './ways.js';

export type Find = (exchange: Exchange) => string | undefined;

/** What a handler has to give a reader. */
export interface Call extends Exchange {
  readonly id: string;
  /** Value of the reader's parameter decorator. */
  readonly parameter: unknown;
  /** What was injected for the reader. */
  readonly injected: any;
}

/** The parts of a controller that one reader needs. */
export interface Part {
  readonly reader: Reader;
  /** The value, or something that gives it when it is written to the client. */
  read?(call: Call): unknown;
  readonly parameter?: ParameterDecorator;
  readonly interceptor?: NestInterceptor | Type<NestInterceptor>;
  readonly globalInterceptor?: NestInterceptor;
  /** Answers in place of the handler, which throws. */
  readonly filter?: ExceptionFilter;
  readonly providers?: readonly Provider[];
  /** Token of what `Call.injected` is. */
  readonly token?: unknown;
}

type Maker = (reader: Reader, find: Find, name: string) => Omit<Part, 'reader'>;

function named<T extends Type>(name: string, type: T): T {
  Object.defineProperty(type, 'name', { value: name });
  return type;
}

const scopedProvider = (isLazy: boolean, find: Find, name: string): Omit<Part, 'reader'> => ({
  token: name,
  providers: [
    {
      provide: name,
      scope: Scope.REQUEST,
      inject: [REQUEST],
      useFactory: (request: AnyRequest) => {
        const get = (): string | undefined => find({ request, response: {} });
        if (isLazy) return { get };
        const value = get();
        return { get: () => value };
      },
    },
  ],
  read: ({ injected }) => injected.get(),
});

/** Adds its value to the body, or to the head, around the handler. */
function interceptorOf({ into }: Reader, find: Find, name: string, isBefore: boolean): NestInterceptor {
  const show = (body: unknown, value: string | undefined, { response }: Exchange): unknown => {
    if (into === 'header') response['header'](`x-${name.toLowerCase()}`, value ?? 'none');
    const isPlain = into !== 'header' && typeof body === 'object' && !(body instanceof StreamableFile);
    return isPlain ? { ...body, [name]: value } : body;
  };
  return {
    intercept: (context: ExecutionContext, next) => {
      const exchange = exchangeOf(context);
      if (!isBefore) return next.handle().pipe(map((body) => show(body, find(exchange), exchange)));
      const value = find(exchange);
      return next.handle().pipe(map((body) => show(body, value, exchange)));
    },
  };
}

/** Readers by name: how each is built out of what Nest has. */
/** Nest answers no request whose stream or exception filter fails. */
function attempt(find: () => unknown): unknown {
  try {
    return find();
  } catch {
    return 'failed';
  }
}

const MAKERS: Record<ReaderName, Maker> = {
  handler: ({ from }, find) =>
    isParameter(from as Source)
      ? {
          parameter: parameterOf(from as Source),
          read: ({ parameter }) => pickParameter(from as Source, parameter),
        }
      : { read: find },
  'parameter decorator': (_reader, find) => ({
    parameter: createParamDecorator((_data: unknown, context: ExecutionContext) =>
      find(exchangeOf(context)),
    )(),
    read: ({ parameter }) => parameter,
  }),
  'interceptor before the handler': (reader, find, name) => ({
    interceptor: interceptorOf(reader, find, name, true),
  }),
  'interceptor after the handler': (reader, find, name) => ({
    interceptor: interceptorOf(reader, find, name, false),
  }),
  'global interceptor': (reader, find, name) => ({
    globalInterceptor: interceptorOf(reader, find, name, true),
  }),
  toJSON: (_reader, find) => ({ read: (call) => ({ toJSON: () => find(call) ?? null }) }),
  'late stream': (_reader, find) => ({
    read: (call) =>
      new StreamableFile(
        Readable.from(
          (function* () {
            yield Buffer.from(`${call.id}: `);
            yield Buffer.from(String(attempt(() => find(call)) ?? 'nothing'));
          })(),
        ),
      ),
  }),
  'exception filter': (_reader, find) => ({
    read: () => {
      throw new NotFoundException();
    },
    filter: {
      async catch(_error: unknown, host: ArgumentsHost): Promise<void> {
        await new Promise((resolve) => setTimeout(resolve, 0));
        const exchange = exchangeOf(host);
        const missing = attempt(() => find(exchange)) ?? null;
        exchange.response['status'](404).send({ missing });
      },
    },
  }),
  'scoped provider': (_reader, find, name) => scopedProvider(false, find, name),
  'scoped provider, lazily': (_reader, find, name) => scopedProvider(true, find, name),
  'scoped controller': (_reader, find) => ({
    token: REQUEST,
    read: ({ injected }) => find({ request: injected, response: {} }),
  }),
  'scoped interceptor': (reader, find, name) => {
    @Injectable({ scope: Scope.REQUEST })
    class ScopedInterceptor implements NestInterceptor {
      readonly #value: string | undefined;

      constructor(@Inject(REQUEST) request: AnyRequest) {
        this.#value = find({ request, response: {} });
      }

      intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
        return interceptorOf(reader, () => this.#value, name, false).intercept(
          context,
          next,
        ) as Observable<unknown>;
      }
    }
    return { interceptor: ScopedInterceptor };
  },
  'scoped pipe': (_reader, find) => {
    @Injectable({ scope: Scope.REQUEST })
    class ScopedPipe implements PipeTransform {
      constructor(@Inject(REQUEST) private readonly request: AnyRequest) {}

      transform(): string | undefined {
        return find({ request: this.request, response: {} });
      }
    }
    return {
      parameter: createParamDecorator(() => undefined)(undefined, ScopedPipe),
      read: ({ parameter }) => parameter,
    };
  },
  'durable provider': (_reader, _find, name) => ({
    token: name,
    providers: [
      {
        provide: name,
        scope: Scope.REQUEST,
        durable: true,
        inject: [REQUEST],
        useFactory: ({ tenant }: { tenant?: string }) => ({ tenant }),
      },
    ],
    read: ({ injected }) => injected.tenant,
  }),
  '@CacheResult service': (_reader, find, name) => {
    class Service {
      async load(_id: string): Promise<{ value: string | undefined }> {
        await Promise.resolve();
        return { value: find({ request: {}, response: {} }) };
      }
    }
    return serviceOf(named(`Service${name}`, Service));
  },
  'scoped @CacheResult service': (_reader, find, name) => {
    @Injectable({ scope: Scope.REQUEST })
    class Service {
      @Inject(REQUEST) request!: AnyRequest;

      async load(_id: string): Promise<{ value: string | undefined }> {
        await Promise.resolve();
        return { value: find({ request: this.request, response: {} }) };
      }
    }
    return serviceOf(named(`Service${name}`, Service));
  },
  getOrSet: (_reader, find, name) => ({
    token: CacheService,
    read: async (call) => {
      const cache: CacheService = call.injected;
      const { value } = await cache.getOrSet(`${name} ${call.id}`, async () => ({
        value: find(call) ?? null,
      }));
      return value ?? undefined;
    },
  }),
};

function serviceOf(Service: Type): Omit<Part, 'reader'> {
  const descriptor = Object.getOwnPropertyDescriptor(Service.prototype, 'load')!;
  CacheResult(60)(Service.prototype, 'load', descriptor);
  Object.defineProperty(Service.prototype, 'load', descriptor);
  return {
    token: Service,
    providers: [Service],
    read: async ({ injected, id }) => (await injected.load(id)).value,
  };
}

export function partOf(reader: Reader, find: Find, name: string): Part {
  return { reader, ...MAKERS[reader.who](reader, find, name) };
}
