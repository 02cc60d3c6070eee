import {
  Controller,
  ForbiddenException,
  Get,
  Inject,
  Param,
  Query,
  Req,
  Res,
  StreamableFile,
  UseFilters,
  UseGuards,
  UseInterceptors,
  type CanActivate,
  type Type,
} from '@nestjs/common';
import { CacheResponse } from '../../../lib/index.js';
import type { Part } from './readers.js';
import type { Route } from './recipe.js';
import type { AnyRequest } from './ways.js';

/** Handlers take so many arguments before those of their readers. */
const OWN_PARAMETERS = 4;

interface ControllerOptions {
  readonly route: Route;
  readonly parts: readonly Part[];
  readonly guards: readonly CanActivate[];
  readonly cachesEverything: boolean;
}

/** Writes the controller of a generated route. */
export function controllerOf({ route, parts, guards, cachesEverything }: ControllerOptions): Type {
  const names = parts.map((_, at) => `r${at}`);

  class Page {
    async show(
      request: AnyRequest,
      response: AnyRequest,
      id: string,
      page: string | undefined,
      ...parameters: unknown[]
    ): Promise<unknown> {
      // Requests of one burst overlap.
      await new Promise((resolve) => setTimeout(resolve, 0));
      if (route.saysVary) response['header']('Vary', 'Origin');
      const shown: Record<string, unknown> = {};
      for (const [at, { reader, read }] of parts.entries()) {
        if (read === undefined) continue;
        const injected = (this as Record<string, unknown>)[names[at]!];
        const value = await read({ request, response, id, parameter: parameters[at], injected });
        if (value instanceof StreamableFile) return value;
        if (reader.into === 'header') response['header'](`x-${names[at]}`, value ?? 'none');
        else if (reader.into === 'status' && value === undefined)
          throw new ForbiddenException(`no ${names[at]}`);
        else shown[names[at]!] = value;
      }
      return { route: route.name, id, page, shown };
    }
  }
  const { prototype } = Page;
  Object.defineProperty(Page, 'name', { value: `Page_${route.name}` });
  Reflect.defineMetadata(
    'design:paramtypes',
    Array(OWN_PARAMETERS + parts.length).fill(Object),
    prototype,
    'show',
  );

  [Req(), Res({ passthrough: true }), Param('id'), Query('page')].forEach((decorate, index) =>
    decorate(prototype, 'show', index),
  );
  parts.forEach(({ parameter, token }, at) => {
    parameter?.(prototype, 'show', OWN_PARAMETERS + at);
    if (token !== undefined) Inject(token as string)(prototype, names[at]!);
  });
  const interceptors = parts.flatMap(({ interceptor }) => interceptor ?? []);
  // A filter of another exception would answer too: the first one decides.
  const filter = parts.find((part) => part.filter !== undefined)?.filter;
  decorateMethod(prototype, [
    Get(':id'),
    UseGuards(...guards),
    UseInterceptors(...interceptors),
    UseFilters(...(filter === undefined ? [] : [filter])),
    ...(cachesEverything ? [] : cachingOf(route)),
  ]);
  Controller(route.name)(Page);
  return Page;
}

/** Those that routes answer. */
const statuses = [200, 403, 404];

function cachingOf({ cached }: Route): MethodDecorator[] {
  switch (cached) {
    case 'by decorator':
      return [CacheResponse({ ttl: 600, statuses, fastLane: true }) as MethodDecorator];
    case 'while revalidating':
      return [CacheResponse({ ttl: 1, staleWhileRevalidate: 600, statuses }) as MethodDecorator];
    case 'only what it calls':
      return [];
  }
}

function decorateMethod(prototype: object, decorators: readonly MethodDecorator[]): void {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, 'show')!;
  for (const decorate of decorators) decorate(prototype, 'show', descriptor);
  Object.defineProperty(prototype, 'show', descriptor);
}

/** A public page, which reads nothing but its target. */
export function plainController(): Type {
  @Controller('plain')
  class PlainPages {
    @Get(':id') @CacheResponse({ ttl: 600, fastLane: true }) plain(
      @Param('id') id: string,
      @Query('page') page?: string,
    ): object {
      return { id, page };
    }
  }
  return PlainPages;
}
