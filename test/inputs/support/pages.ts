import { Controller, Get, Inject, Param, Req, Res, type Type } from '@nestjs/common';
import { CacheResponse } from '../../../lib/index.js';
import type { AnyRequest } from './ways.js';

interface PageOptions {
  /** Decorates the handler; `@CacheResponse(60)` where nothing else is said. */
  readonly cached?: MethodDecorator;
  /** Decorates a last parameter of the handler. */
  readonly parameter?: ParameterDecorator;
  /** Token of `this.injected`. */
  readonly inject?: unknown;
}

interface Shown {
  readonly request: AnyRequest;
  readonly response: AnyRequest;
  readonly id: string;
  readonly parameter: any;
  readonly injected: any;
}

/** `GET /page/:id` with a body that the row decides. */
export function page(show: (shown: Shown) => unknown, options: PageOptions = {}): Type {
  class Pages {
    async show(request: AnyRequest, response: AnyRequest, id: string, parameter?: unknown): Promise<unknown> {
      const injected = (this as { injected?: unknown }).injected;
      return { id, shown: (await show({ request, response, id, parameter, injected })) ?? 'nothing' };
    }
  }
  const { prototype } = Pages;
  [Req(), Res({ passthrough: true }), Param('id')].forEach((decorate, index) =>
    decorate(prototype, 'show', index),
  );
  options.parameter?.(prototype, 'show', 3);
  if (options.inject !== undefined) Inject(options.inject as string)(prototype, 'injected');
  Reflect.defineMetadata('design:paramtypes', Array(4).fill(Object), prototype, 'show');
  const descriptor = Object.getOwnPropertyDescriptor(prototype, 'show')!;
  for (const decorate of [Get(':id'), options.cached ?? (CacheResponse(60) as MethodDecorator)])
    decorate(prototype, 'show', descriptor);
  Object.defineProperty(prototype, 'show', descriptor);
  Controller('page')(Pages);
  return Pages;
}

/** A handler that says nothing of caching. */
export const uncachedHandler: MethodDecorator = () => undefined;
