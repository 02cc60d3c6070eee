// A process that imports the module, fails to boot, or reads once through the cache, and then has nothing left to do.
import 'reflect-metadata';
import { Injectable, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CacheService, RestflowCacheModule } from '../../../lib/index.js';
import { redisStore } from '../../../lib/redis.js';

const [mode, url] = process.argv.slice(2) as ['import' | 'failed boot' | 'script', string];

@Injectable()
class Failing implements OnApplicationBootstrap {
  onApplicationBootstrap(): void {
    if (mode === 'failed boot') throw new Error('it does not boot');
  }
}

class BootModule {}
Module({
  imports: [RestflowCacheModule.forRoot({ store: redisStore({ url }), application: 'boot' })],
  providers: [Failing],
})(BootModule);

if (mode !== 'import') {
  try {
    const application = await NestFactory.createApplicationContext(BootModule, {
      logger: false,
      abortOnError: false,
    });
    const cache = application.get(CacheService);
    const load = async (): Promise<string> => 'loaded';
    const values = [await cache.getOrSet('key', load), await cache.getOrSet('key', async () => 'again')];
    process.stdout.write(values.join(' '));
  } catch (error) {
    process.stdout.write((error as Error).message);
  }
}
