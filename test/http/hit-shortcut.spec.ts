import {
  Controller,
  Get,
  Header,
  Inject,
  Injectable,
  Scope,
  UseGuards,
  Version,
  VersioningType,
  type CanActivate,
  type INestApplication,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { ServerResponse } from 'node:http';
import { NEST_METADATA } from '../../lib/common/nest-internals.js';
import { CacheResponse } from '../../lib/index.js';
import { platforms, start, type ApplicationOptions, type TestApplication } from './support/application.js';

let handled = 0;
let guarded = 0;
let made = 0;
let asked = 0;

@Injectable()
class CountingGuard implements CanActivate {
  canActivate(): boolean {
    return ++guarded > 0;
  }
}

@Controller('plain')
class Plain {
  @Get() @CacheResponse(60) find(): unknown {
    return { handled: ++handled };
  }

  @Get('asked') @CacheResponse({ ttl: 60, bypass: () => ++asked < 0 }) asked(): unknown {
    return { handled: ++handled };
  }

  @Get('headers') @CacheResponse(60) @Header('x-live', (() => `${++made}`) as never) headers(): unknown {
    return { handled: ++handled };
  }

  @Get('guarded') @CacheResponse(60) @UseGuards(CountingGuard) guarded(): unknown {
    return { handled: ++handled };
  }
}

@UseGuards(CountingGuard)
class GuardedBase {}

@Controller('guarded')
class Guarded extends GuardedBase {
  @Get() @CacheResponse(60) find(): unknown {
    return { handled: ++handled };
  }
}

@Injectable({ scope: Scope.REQUEST })
class PerRequest {
  constructor() {
    made++;
  }
}

@Controller('scoped')
class Scoped {
  constructor(@Inject(PerRequest) readonly perRequest: PerRequest) {}

  @Get() @CacheResponse({ ttl: 60, shared: true }) find(): unknown {
    return { handled: ++handled };
  }
}

class Base {
  @Get() find(): unknown {
    return { handled: ++handled };
  }
}

@CacheResponse(60)
@Controller('cached')
class Cached extends Base {}

@Controller('uncached')
class Uncached extends Base {}

@Controller('versions')
class Versions {
  @Get() @Version('1') @CacheResponse(60) first(): unknown {
    return { version: 1 };
  }

  @Get() @Version('2') @CacheResponse(60) second(): unknown {
    return { version: 2 };
  }
}

@Controller({ path: 'hosts', host: 'one.test' })
class One {
  @Get() @CacheResponse(60) find(): unknown {
    return { host: 'one' };
  }
}

@Controller({ path: 'hosts' })
class Any {
  @Get() @CacheResponse(60) find(): unknown {
    return { host: 'any' };
  }
}

const CONTROLLERS = [Plain, Guarded, Scoped, Cached, Uncached];

describe.each(platforms)('a hit on %s', (platform) => {
  let app: TestApplication;
  const begin = async (options: ApplicationOptions = {}): Promise<void> => {
    app = await start(platform, { controllers: CONTROLLERS, providers: [PerRequest], ...options });
  };
  const thrice = async (path: string, headers = {}): Promise<(string | undefined)[]> => {
    const answers = [
      await app.get(path, headers),
      await app.get(path, headers),
      await app.get(path, headers),
    ];
    return answers.map(({ cache }) => cache);
  };
  beforeEach(() => {
    handled = guarded = made = asked = 0;
  });
  afterEach(async () => {
    expect(app.complaints).toEqual([]);
    await app.close();
  });

  it('is sent without the pipeline of Nest if that has no effect', async () => {
    await begin();
    const replied = jest.spyOn(app.app.getHttpAdapter(), 'reply');
    const miss = await app.get('/plain');
    expect(replied).toHaveBeenCalledTimes(1);
    const [hit, head] = [await app.get('/plain'), await app.get('/plain', { method: 'HEAD' })];
    expect([hit.cache, head.cache, hit.body, head.body]).toEqual(['HIT', 'HIT', miss.body, '']);
    const etag = String(hit.headers['etag']);
    expect((await app.get('/plain', { 'if-none-match': etag })).status).toBe(304);
    expect(replied).toHaveBeenCalledTimes(1);
  });

  it('calls the functions of its options once a request', async () => {
    await begin();
    expect(await thrice('/plain/asked')).toEqual(['MISS', 'HIT', 'HIT']);
    expect(asked).toBe(3);
    app.clock.advance(61);
    expect(await thrice('/plain/asked')).toEqual(['MISS', 'HIT', 'HIT']);
    expect([asked, handled]).toEqual([6, 2]);
  });

  it.each([
    ['of the handler', '/plain/guarded', {}],
    ['of a class that the controller extends', '/guarded', {}],
    [
      'of the application',
      '/plain',
      { setup: (app: INestApplication) => void app.useGlobalGuards(new CountingGuard()) },
    ],
    ['of a module', '/plain', { providers: [PerRequest, { provide: APP_GUARD, useClass: CountingGuard }] }],
  ])('runs the guards %s', async (_where, path, options) => {
    await begin(options);
    expect(await thrice(path)).toEqual(['MISS', 'HIT', 'HIT']);
    expect([guarded, handled]).toEqual([3, 1]);
  });

  it('runs the guards that are made for each request, and then stores nothing', async () => {
    await begin({
      providers: [PerRequest, { provide: APP_GUARD, useClass: CountingGuard, scope: Scope.REQUEST }],
    });
    expect(await thrice('/plain')).toEqual(['MISS', 'MISS', 'MISS']);
    expect([guarded, handled]).toEqual([3, 3]);
    expect(app.complaints.splice(0).join()).toContain('request-scoped');
  });

  it.each(['guards', 'headers', 'host', 'sse'] as const)(
    'runs the guards where this version of Nest keeps its %s under another name',
    async (name) => {
      const known = NEST_METADATA[name];
      NEST_METADATA[name] = 'renamed';
      try {
        await begin();
        const replied = jest.spyOn(app.app.getHttpAdapter(), 'reply');
        expect(await thrice('/plain/guarded')).toEqual(['MISS', 'HIT', 'HIT']);
        expect([guarded, handled, replied.mock.calls.length]).toEqual([3, 1, 3]);
        expect(app.complaints.splice(0)).toEqual([
          expect.stringContaining('run through the whole pipeline of Nest'),
        ]);
      } finally {
        NEST_METADATA[name] = known;
      }
    },
  );

  it('has the headers of @Header() as they are now', async () => {
    await begin();
    await thrice('/plain/headers');
    expect((await app.get('/plain/headers')).headers['x-live']).toBe('4');
  });

  it('makes request-scoped providers', async () => {
    await begin();
    expect(await thrice('/scoped')).toEqual(['MISS', 'HIT', 'HIT']);
    expect([made, handled]).toEqual([3, 1]);
  });

  it('is never sent for an uncached controller that inherits the handler', async () => {
    await begin();
    expect(await thrice('/cached')).toEqual(['MISS', 'HIT', 'HIT']);
    expect(await thrice('/uncached')).toEqual([undefined, undefined, undefined]);
    expect(handled).toBe(4);
  });

  it('is that of the version asked for, where a header says it', async () => {
    await begin({
      controllers: [Versions],
      setup: (app) => void app.enableVersioning({ type: VersioningType.HEADER, header: 'x-version' }),
    });
    for (let turn = 0; turn < 3; turn++) {
      for (const version of ['1', '2'])
        expect((await app.get('/versions', { 'x-version': version })).body).toBe(`{"version":${version}}`);
    }
    expect((await app.get('/versions', { 'x-version': '3' })).status).toBe(404);
    app.complaints.length = 0;
  });

  it('has the headers that middleware sets after next()', async () => {
    await begin({
      setup: (app) =>
        void app.use((_: object, response: ServerResponse, next: () => void) => {
          next();
          response.setHeader('x-behind', 'yes');
        }),
    });
    expect(await thrice('/plain')).toEqual(['MISS', 'HIT', 'HIT']);
    expect((await app.get('/plain')).headers['x-behind']).toBe('yes');
  });
});

describe('a hit on express alone', () => {
  let app: TestApplication;
  afterEach(() => app.close());

  it('is that of the host asked for', async () => {
    app = await start('express', { controllers: [One, Any] });
    for (let turn = 0; turn < 3; turn++) {
      for (const [host, body] of [
        ['one.test', 'one'],
        ['other.test', 'any'],
      ])
        expect((await app.get('/hosts', { host: host! })).body).toBe(`{"host":"${body}"}`);
    }
  });

  it('runs after handlers that the application registered before', async () => {
    let before = 0;
    app = await start('express', {
      controllers: [Plain],
      setup: (nest) =>
        void nest.getHttpAdapter().get('/plain', (_: object, __: object, next?: Function) => {
          before++;
          next?.();
        }),
    });
    for (let turn = 0; turn < 3; turn++) await app.get('/plain');
    expect(before).toBe(3);
  });
});
