import {
  Body,
  type CanActivate,
  Controller,
  Get,
  Header,
  HttpCode,
  Inject,
  Post,
  Req,
  Res,
  ServiceUnavailableException,
  type Type,
  UseGuards,
} from '@nestjs/common';
import { NoCache } from '../decorators/no-cache.decorator.js';
import { ASSETS, assetText } from './assets.js';
import type { DashboardRequest } from './dashboard-requests.js';
import { DashboardService, type EntryView, type PageData } from './dashboard.service.js';
import type { InvalidationView, ViewerConnection } from './live-feed.js';

/** Nothing from elsewhere, no script and no style within the page. */
const POLICY =
  `default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; ` +
  `form-action 'none'; frame-ancestors 'none'`;

interface PageRequest extends DashboardRequest {
  readonly url?: string;
  readonly originalUrl?: string;
}

/** The response of Express, or the reply of Fastify. */
interface PlatformResponse {
  readonly raw?: ViewerConnection;
  hijack?(): void;
}

/** The routes of the page, at a path and behind a guard of the application's choice. */
export function dashboardController(path: string, guard: Type<CanActivate> | CanActivate | undefined): Type {
  @Controller(path)
  @NoCache()
  @UseGuards(...(guard === undefined ? [] : [guard]))
  class DashboardController {
    constructor(@Inject(DashboardService) private readonly dashboard: DashboardService) {}

    @Get()
    @Header('Content-Type', ASSETS['dashboard.html'])
    @Header('Content-Security-Policy', POLICY)
    @Header('Cache-Control', 'no-store')
    @Header('X-Content-Type-Options', 'nosniff')
    @Header('Referrer-Policy', 'no-referrer')
    page(@Req() request: PageRequest): string {
      return assetText('dashboard.html').replaceAll('{{base}}', baseOf(request));
    }

    @Get('dashboard.js')
    @Header('Content-Type', ASSETS['dashboard.js'])
    @Header('Cache-Control', 'no-cache')
    @Header('X-Content-Type-Options', 'nosniff')
    script(): string {
      return assetText('dashboard.js');
    }

    @Get('dashboard.css')
    @Header('Content-Type', ASSETS['dashboard.css'])
    @Header('Cache-Control', 'no-cache')
    @Header('X-Content-Type-Options', 'nosniff')
    style(): string {
      return assetText('dashboard.css');
    }

    @Get('data')
    @Header('Cache-Control', 'no-store')
    data(): { readonly report: PageData; readonly invalidations: readonly InvalidationView[] } {
      return this.dashboard.polled();
    }

    @Get('token')
    @Header('Cache-Control', 'no-store')
    token(): { readonly token: string } {
      return { token: this.dashboard.token() };
    }

    @Get('stream')
    stream(@Res() response: PlatformResponse): void {
      const raw = response.raw ?? (response as unknown as ViewerConnection);
      if (!this.dashboard.feed.add(raw, {}))
        throw new ServiceUnavailableException('Too many look at the dashboard, or the application ends.');
      response.hijack?.();
    }

    @Post('entry')
    @HttpCode(200)
    @Header('Cache-Control', 'no-store')
    entry(@Req() request: PageRequest, @Body() body: unknown): Promise<EntryView> {
      return this.dashboard.entry(request, body);
    }

    @Post('actions')
    @HttpCode(200)
    @Header('Cache-Control', 'no-store')
    act(@Req() request: PageRequest, @Body() body: unknown): Promise<object> {
      return this.dashboard.act(request, body);
    }
  }
  return DashboardController;
}

/**
 * What stands before the addresses of the page's parts, relative to its own: a proxy may have put a path before it that the server does
 * not know.
 */
function baseOf({ originalUrl, url = '' }: PageRequest): string {
  const [path = ''] = (originalUrl ?? url).split(/[?#]/, 1);
  const name = path.slice(path.lastIndexOf('/') + 1);
  // The characters of a path that mean nothing in HTML.
  return name === '' || !/^[\w.~%-]+$/.test(name) ? './' : `./${name}/`;
}
