import {
  Inject,
  Injectable,
  Scope,
  type CanActivate,
  type ExecutionContext,
  type Provider,
} from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR, REQUEST } from '@nestjs/core';
import { AsyncLocalStorage } from 'node:async_hooks';
import { map } from 'rxjs';
import { page } from './support/pages.js';
import { describeRows, withSessions, type Row } from './support/rows.js';
import { accountOf, cookieOf, inFront } from './support/surroundings.js';
import type { AnyRequest } from './support/ways.js';

interface Account {
  readonly name: string;
}

/** Middleware leaves the account of the session under a name of its own. */
const leftIn = (name: string): Row => ({
  name: `a session cookie resolved into request.${name}`,
  application: () => ({ controllers: [page(({ request }) => request[name]?.name)] }),
  setup: inFront((request, _response, next) => {
    request[name] = accountOf(request);
    next();
  }),
  visitors: withSessions,
});

const accounts = new AsyncLocalStorage<Account | undefined>();

class AccountGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<AnyRequest>();
    request['viewer'] = accountOf(request);
    return true;
  }
}

const addsAccount: Provider = {
  provide: APP_INTERCEPTOR,
  useValue: {
    intercept: (context: ExecutionContext, next: { handle(): any }) =>
      next.handle().pipe(
        map((body: object) => ({
          ...body,
          account: context.switchToHttp().getRequest<AnyRequest>()['account'] ?? null,
        })),
      ),
  },
};

/** As csurf: the secret is looked up before the handler, the token made when the page asks for it. */
const csrf = inFront((request, _response, next) => {
  const secret = cookieOf(request, 'sid') ?? 'nobody';
  request['csrfToken'] = () => `token of ${secret}`;
  next();
});

describeRows('cookies resolved before the handler', [
  ...['account', 'currentUser', 'auth', 'oidc'].map(leftIn),
  {
    name: 'a session cookie resolved into AsyncLocalStorage',
    application: () => ({ controllers: [page(() => accounts.getStore()?.name)] }),
    setup: inFront((request, _response, next) => accounts.run(accountOf(request), next)),
    visitors: withSessions,
  },
  {
    name: 'a session cookie resolved into res.locals.user',
    application: () => ({ controllers: [page(({ response }) => response['locals'].user?.name)] }),
    setup: inFront((request, response, next) => {
      (response['locals'] ??= {}).user = accountOf(request);
      next();
    }),
    visitors: withSessions,
  },
  {
    name: 'a session whose content middleware copies',
    application: () => ({ controllers: [page(({ request }) => request['viewer'])] }),
    setup: inFront((request, _response, next) => {
      const sid = cookieOf(request, 'sid');
      request['session'] = { cookie: {}, ...(sid !== undefined && { viewer: `viewer ${sid}` }) };
      request['viewer'] = request['session'].viewer;
      next();
    }),
    visitors: withSessions,
  },
  {
    name: 'a session cookie that a guard resolves',
    application: () => ({
      controllers: [page(({ request }) => request['viewer']?.name)],
      providers: [{ provide: APP_GUARD, useClass: AccountGuard }],
    }),
    visitors: withSessions,
  },
  {
    name: 'request.csrfToken() in the page',
    application: () => ({ controllers: [page(({ request }) => request['csrfToken']())] }),
    setup: csrf,
    visitors: withSessions,
  },
  {
    name: 'an interceptor that adds request.account to the body',
    application: () => ({ controllers: [page(() => 'page')], providers: [addsAccount] }),
    setup: leftIn('account').setup!,
    visitors: withSessions,
  },
]);

@Injectable({ scope: Scope.REQUEST })
class Viewer {
  readonly name: string | undefined;

  constructor(@Inject(REQUEST) request: AnyRequest) {
    this.name = accountOf(request)?.name;
  }
}

@Injectable({ scope: Scope.REQUEST })
class LazyViewer {
  constructor(@Inject(REQUEST) private readonly request: AnyRequest) {}

  get name(): string | undefined {
    return accountOf(this.request)?.name;
  }
}

/** Reads the cookie as Nest builds it. */
function scopedController(): new () => unknown {
  const Pages = page(({ injected }) => injected.name, { inject: 'viewer of the controller' });
  return Pages as new () => unknown;
}

describeRows('request-scoped construction', [
  {
    name: 'a request-scoped provider that reads the cookie in its constructor',
    application: () => ({
      controllers: [page(({ injected }) => injected.name, { inject: Viewer })],
      providers: [Viewer],
    }),
    visitors: withSessions,
  },
  {
    name: 'a request-scoped provider that reads the cookie when it is asked',
    application: () => ({
      controllers: [page(({ injected }) => injected.name, { inject: LazyViewer })],
      providers: [LazyViewer],
    }),
    visitors: withSessions,
  },
  {
    name: 'a request-scoped factory that reads the cookie',
    application: () => ({
      controllers: [scopedController()],
      providers: [
        {
          provide: 'viewer of the controller',
          scope: Scope.REQUEST,
          inject: [REQUEST],
          useFactory: (request: AnyRequest) => ({ name: accountOf(request)?.name }),
        },
      ],
    }),
    visitors: withSessions,
  },
]);
