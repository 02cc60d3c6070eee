import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Catch,
  Controller,
  Get,
  Inject,
  Injectable,
  NotFoundException,
  Param,
  StreamableFile,
  UseFilters,
  UseGuards,
  type ArgumentsHost,
  type CanActivate,
  type ExceptionFilter,
  type Type,
} from '@nestjs/common';
import { AsyncLocalStorage } from 'node:async_hooks';
import { Readable } from 'node:stream';
import { CacheResponse, CacheResult } from '../../lib/index.js';
import { platforms, start, type TestApplication } from '../http/support/application.js';
import { describeRows, sending, type Row } from './support/rows.js';
import { inFront } from './support/surroundings.js';
import type { AnyRequest } from './support/ways.js';

// A framework sends what a load returned, reads its streams, and has filters answer for it: around the load, and after it.

const context = new AsyncLocalStorage<string | undefined>();
const phones = sending('user-agent', 'Mozilla/5.0 (Mobile)', 'Mozilla/5.0 (X11)');

const inContext = inFront((request, _response, next) => context.run(request['headers']['user-agent'], next));
const withAccount = inFront((request, _response, next) => {
  request['account'] = { name: request['headers']['user-agent'] };
  next();
});

/** Leaves a context open for whatever comes after it. */
@Injectable()
class EnteringGuard implements CanActivate {
  canActivate(host: ArgumentsHost): boolean {
    context.enterWith(host.switchToHttp().getRequest<AnyRequest>()['headers']['user-agent']);
    return true;
  }
}

@Injectable()
class OpenGuard implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}

/** `GET /page/:id` answers a stream that reads as late as it can. */
function streamed(streamOf: () => Readable, guard?: Type<CanActivate>): Type {
  @Controller('page')
  class Pages {
    @Get(':id')
    @CacheResponse(60)
    @UseGuards(...(guard === undefined ? [] : [guard]))
    show(): StreamableFile {
      return new StreamableFile(streamOf());
    }
  }
  return Pages;
}

async function* twoParts(): AsyncGenerator<Buffer> {
  yield Buffer.from('for ');
  await new Promise((resolve) => setImmediate(resolve));
  yield Buffer.from(context.getStore() ?? 'nobody');
}

function lateRead(): Readable {
  const parts = [() => 'for ', () => context.getStore() ?? 'nobody'];
  return new Readable({
    read() {
      const part = parts.shift();
      setImmediate(() => this.push(part?.() ?? null));
    },
  });
}

const streams = (name: string, streamOf: () => Readable): Row[] => [
  {
    name,
    application: () => ({ controllers: [streamed(streamOf)] }),
    setup: inContext,
    visitors: phones,
  },
  {
    name: `${name}, entered by a guard`,
    application: () => ({ controllers: [streamed(streamOf, EnteringGuard)] }),
    visitors: phones,
  },
];

/** `GET /page/:id` is not found, and a filter says so to the visitor. */
function missing(told: (request: AnyRequest) => string | undefined, guard?: Type<CanActivate>): Type {
  @Catch(NotFoundException)
  class Filter implements ExceptionFilter {
    async catch(_error: unknown, host: ArgumentsHost): Promise<void> {
      await Promise.resolve();
      const http = host.switchToHttp();
      const response = http.getResponse<AnyRequest>();
      response['status'](404)['send']({ missing: told(http.getRequest()) ?? 'nothing' });
    }
  }

  @Controller('page')
  @UseFilters(new Filter())
  class Pages {
    @Get(':id')
    @CacheResponse({ ttl: 60, statuses: [404] })
    @UseGuards(...(guard === undefined ? [] : [guard]))
    show(): never {
      throw new NotFoundException();
    }
  }
  return Pages;
}

const filters = (
  name: string,
  told: (request: AnyRequest) => string | undefined,
  setup: Row['setup'],
): Row[] =>
  [undefined, OpenGuard].map((guard) => ({
    name: guard === undefined ? name : `${name}, behind a guard`,
    application: () => ({ controllers: [missing(told, guard)] }),
    ...(setup !== undefined && { setup }),
    visitors: phones,
  }));

describeRows('what runs around a load', [
  ...streams('a context that a stream of objects reads', () => Readable.from(twoParts())),
  ...streams('a context that a stream reads late', lateRead),
  ...filters('a context that an exception filter reads', () => context.getStore(), inContext),
  ...filters('a member that an exception filter reads', (request) => request['account'].name, withAccount),
  ...filters(
    'a header that an exception filter reads',
    (request) => request['headers']['user-agent'],
    undefined,
  ),
  {
    name: 'a context entered by a guard that an exception filter reads',
    application: () => ({ controllers: [missing(() => context.getStore(), EnteringGuard)] }),
    visitors: phones,
  },
]);

describe.each(platforms)('a stream on %s', (platform) => {
  let app: TestApplication | undefined;
  afterEach(() => app?.close());

  it('dies with the cached values that it was made of', async () => {
    let price = 1;
    @Injectable()
    class Prices {
      @CacheResult(60) async of(id: string): Promise<string> {
        return `${id} costs ${price}`;
      }
    }
    @Controller('page')
    class Pages {
      constructor(@Inject(Prices) private readonly prices: Prices) {}

      @Get(':id') @CacheResponse(60) show(@Param('id') id: string): StreamableFile {
        const { prices } = this;
        const parts = async function* (): AsyncGenerator<Buffer> {
          yield Buffer.from('Today, ');
          yield Buffer.from(await prices.of(id));
        };
        return new StreamableFile(Readable.from(parts()));
      }
    }
    app = await start(platform, { controllers: [Pages], providers: [Prices] });
    expect((await app.get('/page/1')).body).toBe('Today, 1 costs 1');
    expect((await app.get('/page/1')).headers['x-cache-status']).toBe('HIT');
    price = 2;
    await app.cache.for(Prices, 'of').deleteCache('1');
    expect((await app.get('/page/1')).body).toBe('Today, 1 costs 2');
  });
});
