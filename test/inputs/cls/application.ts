// An application with the real nestjs-cls, in a process of its own: the package is CommonJS that requires Nest, which is ESM; Node
// loads that, Jest does not. Arguments: platform, store, namespace, and whether it caches. Prints its port.
import 'reflect-metadata';
import { Controller, Get, Inject, Injectable, Module, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { CLS_REQ, ClsModule, ClsService, InjectableProxy } from 'nestjs-cls';
import type { AddressInfo } from 'node:net';
import { CacheResponse, CacheResult, memoryStore, RestflowCacheModule } from '../../../lib/index.js';
import { redisStore } from '../../../lib/redis.js';
import type { AnyRequest } from '../support/ways.js';

const [platform, storeName, namespace, enabled] = process.argv.slice(2);

/** Outside a request each of its properties throws. */
@InjectableProxy({ strict: true })
class Viewer {
  readonly name: string | null;

  constructor(@Inject(CLS_REQ) request: AnyRequest) {
    this.name = /sid=(\w+)/.exec(request['headers'].cookie ?? '')?.[1] ?? null;
  }
}

@Injectable()
class Greetings {
  constructor(@Inject(ClsService) private readonly cls: ClsService) {}

  @CacheResult(60)
  async greeting(id: string): Promise<object> {
    return { id, locale: this.cls.get('locale') ?? null };
  }
}

@Controller()
class Pages {
  constructor(
    @Inject(ClsService) private readonly cls: ClsService,
    @Inject(Greetings) private readonly greetings: Greetings,
    @Inject(Viewer) private readonly viewer: Viewer,
  ) {}

  @Get('account/:id') @CacheResponse(60) account(@Param('id') id: string): object {
    return { id, account: this.cls.get('account') ?? null };
  }

  @Get('viewer/:id') @CacheResponse(60) named(@Param('id') id: string): object {
    return { id, name: this.viewer.name };
  }

  @Get('greeting/:id') greeting(@Param('id') id: string): Promise<object> {
    return this.greetings.greeting(id);
  }

  /** Reads nothing of the context but what the package itself keeps there. */
  @Get('public/:id') @CacheResponse(60) public(@Param('id') id: string): object {
    return { id, hasContext: this.cls.isActive() };
  }
}

@Module({
  imports: [
    ClsModule.forRoot({
      global: true,
      middleware: {
        mount: true,
        generateId: true,
        resolveProxyProviders: true,
        setup: (cls, { headers }: AnyRequest) => {
          cls.set('account', /sid=(\w+)/.exec(headers.cookie ?? '')?.[1]);
          cls.set('locale', headers['accept-language']);
        },
      },
    }),
    ClsModule.forFeature(Viewer),
    RestflowCacheModule.forRoot({
      store: storeName === 'redis' ? redisStore({ url: process.env['TEST_REDIS_URL']! }) : memoryStore(),
      namespace: namespace!,
      enabled: enabled === 'true',
      setCacheHeaders: true,
    }),
  ],
  controllers: [Pages],
  providers: [Greetings],
})
class AppModule {}

const app = await NestFactory.create(
  AppModule,
  platform === 'express' ? new ExpressAdapter() : new FastifyAdapter(),
  { abortOnError: false, logger: ['error', 'fatal'] },
);
await app.listen(0, '127.0.0.1');
process.on('SIGTERM', () => void app.close().then(() => process.exit(0)));
process.stdout.write(`${(app.getHttpServer().address() as AddressInfo).port}\n`);
