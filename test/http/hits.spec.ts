import {
  Body,
  Controller,
  Get,
  HttpCode,
  Injectable,
  Module,
  Param,
  Query,
  Scope,
  UseGuards,
  UseInterceptors,
  UsePipes,
  All,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
} from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { map, tap, type Observable } from 'rxjs';
import { CacheResponse } from '../../lib/index.js';
import { platforms, start, type TestApplication } from './support/application.js';

let ran: string[] = [];

function noting(name: string) {
  @Injectable()
  class Noting implements NestInterceptor {
    intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
      ran.push(`${name} in`);
      return next.handle().pipe(tap(() => ran.push(`${name} out`)));
    }
  }
  return Noting;
}

function guarding(name: string) {
  @Injectable()
  class Guarding implements CanActivate {
    canActivate(): boolean {
      ran.push(name);
      return true;
    }
  }
  return Guarding;
}

function piping(name: string) {
  @Injectable()
  class Piping implements PipeTransform {
    transform(value: unknown): unknown {
      ran.push(name);
      return value;
    }
  }
  return Piping;
}

/** What a serializer does: the body is made of what the handler returned. */
@Injectable()
class Serializer implements NestInterceptor {
  intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((value: object) => ({ ...value, serialized: ++serialized })));
  }
}
let serialized = 0;
let handled = 0;

@Controller('things')
@UseGuards(guarding('controller guard'))
@UseInterceptors(noting('controller interceptor'))
@UsePipes(piping('controller pipe'))
class Things {
  @Get(':id')
  @CacheResponse(60)
  @UseGuards(guarding('method guard'))
  @UseInterceptors(noting('method interceptor'), Serializer)
  @UsePipes(piping('method pipe'))
  find(@Param('id', piping('parameter pipe')) id: string, @Query('q') q?: string): unknown {
    ran.push('handler');
    return { id, q, handled: ++handled };
  }
}

@Controller('scoped')
class PerRequestBase {
  @Get('inherited') @CacheResponse({ ttl: 60, shared: true }) inherited(): unknown {
    return { handled: ++handled };
  }
}

@Controller({ path: 'scoped', scope: Scope.REQUEST })
class PerRequest extends PerRequestBase {
  @Get() @CacheResponse({ ttl: 60, shared: true }) find(): unknown {
    return { handled: ++handled };
  }
}

@Controller('methods')
class Methods {
  @All() @CacheResponse(60) @HttpCode(200) any(@Body() body: unknown): unknown {
    return { body, handled: ++handled };
  }
}

@Module({ providers: [{ provide: APP_INTERCEPTOR, useClass: noting('APP_INTERCEPTOR of another module') }] })
class OtherModule {}

describe.each(platforms)('a hit on %s', (platform) => {
  let app: TestApplication;
  beforeEach(async () => {
    ran = [];
    handled = serialized = 0;
    app = await start(platform, {
      imports: [OtherModule],
      controllers: [Things, PerRequest, Methods],
      providers: [
        { provide: APP_GUARD, useClass: guarding('APP_GUARD') },
        { provide: APP_PIPE, useClass: piping('APP_PIPE') },
        { provide: APP_INTERCEPTOR, useClass: noting('own APP_INTERCEPTOR') },
      ],
      setup: (app) => void app.useGlobalInterceptors(new (noting('useGlobalInterceptors'))()),
    });
  });
  afterEach(() => app.close());

  it('runs the guards and neither pipes, interceptors, serializer nor handler', async () => {
    const miss = await app.get('/things/1');
    expect(ran).toContain('APP_INTERCEPTOR of another module in');
    expect(ran).toContain('useGlobalInterceptors in');
    expect(ran).toContain('parameter pipe');
    ran = [];
    const hit = await app.get('/things/1');
    expect(ran).toEqual(['APP_GUARD', 'controller guard', 'method guard']);
    expect([miss.cache, hit.cache]).toEqual(['MISS', 'HIT']);
    expect(hit.body).toBe(miss.body);
    expect([handled, serialized]).toEqual([1, 1]);
    expect(app.complaints).toEqual([]);
  });

  it('is served for as long as the lifetime and no longer', async () => {
    await app.get('/things/1');
    app.clock.advance(59.9);
    expect((await app.get('/things/1')).cache).toBe('HIT');
    app.clock.advance(0.2);
    expect((await app.get('/things/1')).cache).toBe('MISS');
    expect(handled).toBe(2);
  });

  it('comes from request-scoped controllers and inherited handlers too', async () => {
    for (const path of ['/scoped', '/scoped/inherited']) {
      const miss = await app.get(path);
      const hit = await app.get(path);
      expect([miss.cache, hit.cache, hit.body]).toEqual(['MISS', 'HIT', miss.body]);
    }
    expect(handled).toBe(2);
  });

  it('answers HEAD from the entry of GET, with its headers and no body', async () => {
    const miss = await app.get('/things/1');
    const head = await app.get('/things/1', { method: 'HEAD' });
    expect([head.status, head.cache, head.body, handled]).toEqual([200, 'HIT', '', 1]);
    for (const name of ['content-type', 'content-length', 'etag'])
      expect(head.headers[name]).toBe(miss.headers[name]);
  });

  it('never stores a HEAD', async () => {
    const head = await app.get('/things/1', { method: 'HEAD' });
    expect([head.status, head.cache, head.body]).toEqual([200, 'MISS', '']);
    const get = await app.get('/things/1');
    expect([get.cache, handled]).toEqual(['MISS', 2]);
    expect(JSON.parse(get.body)).toMatchObject({ id: '1' });
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE'])('is never the answer to %s, which drops it', async (method) => {
    await app.get('/methods');
    for (let turn = 0; turn < 2; turn++) expect((await app.get('/methods', { method })).cache).toBe('BYPASS');
    expect(handled).toBe(3);
    expect((await app.get('/methods')).cache).toBe('MISS');
  });

  it('never comes from a Range request, which runs the handler where nothing is stored', async () => {
    const range = await app.get('/things/1', { range: 'bytes=0-1' });
    expect([range.cache, handled]).toEqual(['BYPASS', 1]);
    expect((await app.get('/things/1')).cache).toBe('MISS');
    const part = await app.get('/things/1', { range: 'bytes=0-1' });
    expect([part.status, part.cache, handled]).toEqual([206, 'HIT', 2]);
  });
});
