import type { HttpAdapterHost } from '@nestjs/core';
import type { HttpPlatform } from '../http/platform.interface.js';
import { ExpressPlatform, FastifyPlatform } from '../http/platform/index.js';

/** What the application answers HTTP with. To be called as early as possible: hooks run in the order in which they were added. */
export function installPlatform({ httpAdapter }: HttpAdapterHost): HttpPlatform | undefined {
  // There is none in an application context, and not yet in a testing module.
  const adapter = httpAdapter as typeof httpAdapter | null | undefined;
  const type = adapter?.getType();
  if (type === 'express') return new ExpressPlatform();
  if (type !== 'fastify') return undefined;
  FastifyPlatform.install(adapter!.getInstance());
  return new FastifyPlatform();
}
