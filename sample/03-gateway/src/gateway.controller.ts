import { All, Controller, Req, Res } from '@nestjs/common';
import { CacheResponse } from 'nestjs-restflow-cache';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendAnswer } from './messages.js';
import { Origin } from './origin.js';

/** A request and a response of Express are Node's own; Fastify's hold them as `raw`. */
type Around<T> = T & { readonly raw?: T; hijack?(): unknown };

@Controller()
export class GatewayController {
  constructor(private readonly origin: Origin) {}

  /** GET and HEAD are answered as a shared cache would (RFC 9111), everything else goes to the origin. */
  @All()
  @CacheResponse({ freshness: 'headers', maxBodyBytes: 16 * 1024 * 1024 })
  async forward(
    @Req() request: Around<IncomingMessage> & { readonly originalUrl: string },
    @Res() response: Around<ServerResponse>,
  ): Promise<void> {
    const client = response.raw ?? response;
    const answer = await this.origin.ask(request.raw ?? request, request.originalUrl, client);
    response.hijack?.();
    await sendAnswer(answer, client);
  }
}
