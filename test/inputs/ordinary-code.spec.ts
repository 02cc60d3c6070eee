import {
  Controller,
  Get,
  Inject,
  Injectable,
  NotFoundException,
  Render,
  Res,
  Scope,
  UseGuards,
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
  type Provider,
} from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR, APP_PIPE, ContextIdFactory, ModuleRef, REQUEST } from '@nestjs/core';
import { REQUEST_CONTEXT_ID } from '@nestjs/core/router/request/request-constants.js';
import { AsyncLocalStorage } from 'node:async_hooks';
import { catchError, delay, map, of, type Observable } from 'rxjs';
import { CacheResponse } from '../../lib/index.js';
import { page } from './support/pages.js';
import { describeRows, sending, type Row } from './support/rows.js';
import { inFront } from './support/surroundings.js';
import type { AnyRequest } from './support/ways.js';

// Code as applications have it. Its visitors differ in a header that code in front may read freely, so that no key tells them apart: a leak
// shows wherever a read goes unseen.

const context = new AsyncLocalStorage<string | undefined>();
const browsers = sending('user-agent', 'ada', 'bob', 'carol');
const browserOf = (request: AnyRequest): string => request['headers']['user-agent'];
const inContext = inFront((request, _response, next) => context.run(browserOf(request), next));

/** `GET /page/:id`, whose answer the code around it makes. */
@Controller('page')
class Pages {
  @Get(':id') @CacheResponse({ ttl: 60, statuses: [200, 404] }) show(): object {
    return { page: 1 };
  }
}

@Controller('page')
class MissingPages {
  @Get(':id') @CacheResponse({ ttl: 60, statuses: [200, 404] }) show(): never {
    throw new NotFoundException();
  }
}

@Injectable({ scope: Scope.REQUEST })
class Visitor {
  readonly name: string;

  constructor(@Inject(REQUEST) request: AnyRequest) {
    this.name = browserOf(request);
  }
}

@Injectable({ scope: Scope.REQUEST })
class ScopedInterceptor implements NestInterceptor {
  readonly #name: string;

  constructor(@Inject(REQUEST) request: AnyRequest) {
    this.#name = browserOf(request);
  }

  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((body) => ({ body: body as object, for: this.#name })));
  }
}

function answerMissing(host: ArgumentsHost, visitor: string | undefined): void {
  const response = host.switchToHttp().getResponse<AnyRequest>();
  response['status'](404).send({ for: visitor });
}

@Injectable({ scope: Scope.REQUEST })
class ScopedFilter implements ExceptionFilter {
  readonly #name: string;

  constructor(@Inject(REQUEST) request: AnyRequest) {
    this.#name = browserOf(request);
  }

  catch(_error: unknown, host: ArgumentsHost): void {
    answerMissing(host, this.#name);
  }
}

@Injectable({ scope: Scope.REQUEST })
class ScopedPipe implements PipeTransform {
  readonly #name: string;

  constructor(@Inject(REQUEST) request: AnyRequest) {
    this.#name = browserOf(request);
  }

  transform(value: unknown): unknown {
    return typeof value === 'string' ? `${value} for ${this.#name}` : value;
  }
}

/** Resolves a provider of the request, as the documentation of Nest shows it. */
@Injectable()
class ResolvingGuard implements CanActivate {
  constructor(private readonly modules: ModuleRef) {}

  async canActivate(host: ExecutionContext): Promise<boolean> {
    const request = host.switchToHttp().getRequest<AnyRequest>();
    const id = ContextIdFactory.getByRequest(request);
    this.modules.registerRequestByContextId(request, id);
    request[REQUEST_CONTEXT_ID] = id;
    await this.modules.resolve(Visitor, id, { strict: false });
    return true;
  }
}

@Injectable()
class Resolver {
  constructor(private readonly modules: ModuleRef) {}

  async visitor(request: AnyRequest): Promise<Visitor> {
    return this.modules.resolve(Visitor, ContextIdFactory.getByRequest(request), { strict: false });
  }
}

@Controller('page')
@UseGuards(ResolvingGuard)
class ResolvingPages extends page(async ({ request, injected }) => (await injected.visitor(request)).name, {
  inject: Resolver,
}) {}

const interceptor = (intercept: NestInterceptor['intercept']): Provider => ({
  provide: APP_INTERCEPTOR,
  useValue: { intercept },
});

const row = (name: string, application: ReturnType<Row['application']>, more: Partial<Row> = {}): Row => ({
  name,
  application: () => application,
  visitors: browsers,
  ...more,
});

@Controller('page')
class SendingPages {
  @Get(':id') @CacheResponse(60) async show(@Res() response: AnyRequest): Promise<void> {
    const raw = response['raw'] ?? response;
    response['hijack']?.();
    raw['setHeader']('content-type', 'text/plain');
    raw['write']('for ');
    await new Promise((resolve) => setImmediate(resolve));
    raw['write'](context.getStore());
    raw['end']();
  }
}

@Controller('page')
class RenderedPages {
  @Get(':id') @CacheResponse(60) @Render('page.txt') show(): object {
    return { title: 'page' };
  }
}

describeRows('ordinary code', [
  row('a request-scoped global interceptor', {
    controllers: [Pages],
    providers: [{ provide: APP_INTERCEPTOR, useClass: ScopedInterceptor, scope: Scope.REQUEST }],
  }),
  row('a request-scoped global filter', {
    controllers: [MissingPages],
    providers: [{ provide: APP_FILTER, useClass: ScopedFilter, scope: Scope.REQUEST }],
  }),
  row('a request-scoped global pipe', {
    controllers: [page(({ id }) => id)],
    providers: [{ provide: APP_PIPE, useClass: ScopedPipe, scope: Scope.REQUEST }],
  }),
  row('a provider of the request that a guard resolves before the handler', {
    controllers: [ResolvingPages],
    providers: [Visitor, Resolver, ResolvingGuard],
  }),
  row(
    'a global filter in a context',
    {
      controllers: [MissingPages],
      providers: [
        {
          provide: APP_FILTER,
          useValue: {
            catch: (_error: unknown, host: ArgumentsHost) => answerMissing(host, context.getStore()),
          },
        },
      ],
    },
    { setup: inContext },
  ),
  row('an interceptor that answers errors for the visitor', {
    controllers: [MissingPages],
    providers: [
      interceptor((host, next) =>
        next.handle().pipe(catchError(() => of({ for: browserOf(host.switchToHttp().getRequest()) }))),
      ),
    ],
  }),
  row(
    'an interceptor that looks into a context after a delay',
    {
      controllers: [Pages],
      providers: [
        interceptor((_host, next) =>
          next.handle().pipe(
            delay(1),
            map(() => ({ for: context.getStore() })),
          ),
        ),
      ],
    },
    { setup: inContext },
  ),
  row(
    'a handler that writes its answer by itself, late',
    { controllers: [SendingPages] },
    { setup: inContext },
  ),
  row(
    'middleware that puts itself before response.json()',
    { controllers: [Pages] },
    {
      platforms: ['express'],
      setup: inFront((request, response, next) => {
        const { json } = response;
        response['json'] = (body: object) => json.call(response, { ...body, for: browserOf(request) });
        next();
      }),
    },
  ),
  row(
    'middleware that puts itself before response.send()',
    { controllers: [Pages] },
    {
      platforms: ['express'],
      setup: inFront((request, response, next) => {
        const { send } = response;
        const name = browserOf(request);
        response['send'] = (body: unknown) =>
          send.call(response, typeof body === 'string' ? `${body} for ${name}` : body);
        next();
      }),
    },
  ),
  row(
    'middleware that puts itself before response.end()',
    { controllers: [Pages] },
    {
      platforms: ['express'],
      setup: inFront((request, response, next) => {
        const { end, setHeader } = response;
        const name = browserOf(request);
        response['end'] = (chunk: unknown) => {
          const text = `${String(chunk)} for ${name}`;
          setHeader.call(response, 'content-length', Buffer.byteLength(text));
          return end.call(response, text);
        };
        next();
      }),
    },
  ),
  row(
    'a view that shows response.locals',
    { controllers: [RenderedPages] },
    {
      platforms: ['express'],
      setup: (app, platform) => {
        const express = app.getHttpAdapter().getInstance();
        express.set(
          'view',
          class {
            path = 'page.txt';
            render(options: AnyRequest, done: (error: null, text: string) => void): void {
              setImmediate(() => done(null, `${options['title']} for ${options['browser']}`));
            }
          },
        );
        inFront((request, response, next) => {
          response['locals'].browser = browserOf(request);
          next();
        })(app, platform);
      },
    },
  ),
  row(
    'a hook before serialization',
    { controllers: [Pages] },
    {
      platforms: ['fastify'],
      setup: (app) =>
        app
          .getHttpAdapter()
          .getInstance()
          .addHook('preSerialization', async (request: AnyRequest, _reply: unknown, body: object) => ({
            ...body,
            for: browserOf(request),
          })),
    },
  ),
  row(
    'a hook before serialization, in a context',
    { controllers: [Pages] },
    {
      platforms: ['fastify'],
      setup: (app, platform) => {
        inContext(app, platform);
        app
          .getHttpAdapter()
          .getInstance()
          .addHook('preSerialization', async (_request: AnyRequest, _reply: unknown, body: object) => ({
            ...body,
            for: context.getStore(),
          }));
      },
    },
  ),
  row(
    'a hook before sending',
    { controllers: [Pages] },
    {
      platforms: ['fastify'],
      setup: (app) =>
        app
          .getHttpAdapter()
          .getInstance()
          .addHook(
            'onSend',
            async (request: AnyRequest, _reply: unknown, body: unknown) =>
              `${String(body)} ${browserOf(request)}`,
          ),
    },
  ),
  row(
    'content that the client asks for',
    {
      controllers: [
        page(({ request }) => ({
          mobile: /ada/.test(request['get']?.('user-agent') ?? request['headers']['user-agent']),
          xhr: request['xhr'],
        })),
      ],
    },
    {},
  ),
]);
