import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import { setup } from './dispatchers.js';
import { settings } from './settings.js';

const adapter = process.env['PLATFORM'] === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
const app = await NestFactory.create(AppModule, adapter, { logger: ['warn', 'error'] });
app.enableShutdownHooks();
await app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1');

const url = await app.getUrl();
const { dispatcher } = settings;
const hasWorker = setup.worker !== undefined;
console.log(`The shop listens on ${url} (${dispatcher}, process ${process.pid}). Read twice, change, and read again:

  curl -i ${url}/orders/1                 # dropped at commit (inline)
  curl -i ${url}/customers/1/orders       # dropped at commit${hasWorker ? `, and once more by the worker` : ''} (${dispatcher})
  curl -i ${url}/customers/1/statement    # dropped by ${setup.carriedOutBy} (${dispatcher}, eager: false)

  curl -X POST ${url}/orders/1/lines -H 'content-type: application/json' -d '{"product":"tea","quantity":2,"price":450}'
`);
if (hasWorker) {
  console.log(
    'Then kill the worker (kill -9 and its process number), change again, and see who is fresh without it.\n',
  );
}
