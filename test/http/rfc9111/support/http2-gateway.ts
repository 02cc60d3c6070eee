import {
  All,
  BadGatewayException,
  Controller,
  Module,
  Req,
  Res,
  type INestApplication,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { METHODS, request as startRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { CacheResponse, RestflowCacheModule } from '../../../../lib/index.js';
import { forwardedHeaders } from '../../../../sample/03-gateway/src/messages.js';

interface Fastifys<T> {
  readonly raw: T;
}

/** A gateway that is asked over HTTP/2, and asks its origin over HTTP/1.1. */
export async function createHttp2Gateway(origin: string): Promise<INestApplication> {
  @Controller()
  class Http2GatewayController {
    @All()
    @CacheResponse({ freshness: 'headers' })
    async forward(
      @Req() { raw: incoming, originalUrl }: Fastifys<IncomingMessage> & { readonly originalUrl: string },
      @Res() reply: Fastifys<ServerResponse> & { hijack(): unknown },
    ): Promise<void> {
      const answer = await forward(origin, incoming, originalUrl);
      reply.hijack();
      for (const [name, values] of forwardedHeaders(answer.rawHeaders))
        reply.raw.setHeader(name, values.length === 1 ? values[0]! : values);
      reply.raw.writeHead(answer.statusCode!);
      answer.pipe(reply.raw);
      await new Promise((resolve) => reply.raw.on('close', resolve));
    }
  }

  @Module({
    imports: [RestflowCacheModule.forRoot({ dataSources: false })],
    controllers: [Http2GatewayController],
  })
  class Http2GatewayModule {}

  const adapter = new FastifyAdapter({ http2: true, rewriteUrl: () => '/' } as object);
  const fastify = adapter.getInstance();
  const app = await NestFactory.create(Http2GatewayModule, adapter, {
    bodyParser: false,
    abortOnError: false,
    logger: ['error'],
  });
  const unknown = METHODS.filter((method) => !fastify.supportedMethods.includes(method));
  for (const method of unknown) if (method !== 'CONNECT') fastify.addHttpMethod(method, { hasBody: true });
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (_request, _payload, done) => done(null));
  return app;
}

function forward(origin: string, incoming: IncomingMessage, target: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = startRequest(origin + target, { method: incoming.method, agent: false, setHost: false });
    const pseudo: Record<string, string> = {};
    for (const [name, values] of forwardedHeaders(incoming.rawHeaders)) {
      if (name.startsWith(':')) pseudo[name] = values[0]!;
      else outgoing.setHeader(name, values);
    }
    outgoing.setHeader('host', pseudo[':authority'] ?? '');
    outgoing.on('response', resolve);
    outgoing.on('error', () => reject(new BadGatewayException('The origin did not answer')));
    incoming.pipe(outgoing);
  });
}
