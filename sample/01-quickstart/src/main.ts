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
console.log(`The blog listens on ${url}. Its cache is at ${url}/cache. Read an article twice, change it, read it again:

  curl -i ${url}/articles/the-quiet-harbour
  curl -X PATCH ${url}/articles/the-quiet-harbour -H 'content-type: application/json' -d '{"title":"The loud harbour"}'
  curl -i -H 'authorization: Bearer ada-token' ${url}/drafts
`);
