import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';

const adapter = process.env['PLATFORM'] === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
const app = await NestFactory.create(AppModule, adapter, { logger: ['warn', 'error'] });
app.enableShutdownHooks();
await app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1');

const url = await app.getUrl();
console.log(`The shop listens on ${url} (process ${process.pid}). Read twice, change, and read again:

  curl -i ${url}/orders/1                 # dropped in this process (inline)
  curl -i ${url}/customers/1/orders       # dropped in this process, and once more by the worker (bullmq)
  curl -i ${url}/customers/1/statement    # left to the worker (bullmq, eager: false)

  curl -X POST ${url}/orders/1/lines -H 'content-type: application/json' -d '{"product":"tea","quantity":2,"price":450}'

Then kill the worker (kill -9 and its process number), change again, and see who is fresh without it.
`);
