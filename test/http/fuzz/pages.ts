import {
  Controller,
  Delete,
  Get,
  Header,
  Headers,
  HttpCode,
  Param,
  Post,
  Put,
  Query,
  Req,
  Res,
  Session,
  StreamableFile,
  UseGuards,
} from '@nestjs/common';
import { Readable } from 'node:stream';
import { CacheResponse } from '../../../lib/index.js';
import { PerToken, PerUser, UserGuard } from '../support/users.js';

interface AnyRequest {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly hostname: string;
  readonly cookies: Readonly<Record<string, string>>;
  user?: { id: string };
}

interface AnyResponse {
  header(name: string, value: string | readonly string[]): AnyResponse;
}

/** What only its user may see. */
const secretOf = (user: unknown): string => (user === undefined ? 'nobody' : `secret of ${String(user)}`);

/** Repeated parameters are a set to the key, so they are one here. */
const sorted = (query: object): unknown =>
  JSON.parse(JSON.stringify(query), (_key, value: unknown) =>
    Array.isArray(value) ? [...new Set(value.map((one) => JSON.stringify(one)))].sort() : value,
  );

/** The same for everybody who asks for the same. */
@Controller()
@UseGuards(UserGuard)
export class PublicPages {
  @Get('public/:id') @CacheResponse(60) one(@Param('id') id: string, @Query() query: object): object {
    return { id, query: Object.entries(sorted(query) as object).sort() };
  }
  @Get('list') @CacheResponse({ ttl: 60, query: ['page'] }) list(
    @Query() { page }: { page?: unknown },
  ): unknown {
    return sorted({ page });
  }
  @Get('shared') @CacheResponse({ ttl: 60, shared: true }) shared(): string {
    return 'shared';
  }
  @Get('varied') @CacheResponse(60) @Header('Vary', 'Accept-Language') varied(
    @Headers('accept-language') language = '',
  ): object {
    return { language: language.replace(/\s+/g, '') };
  }
  @Get('links') @CacheResponse(60) links(@Req() { hostname }: AnyRequest): object {
    return { self: `//${String(hostname).toLowerCase()}/links` };
  }
  @Get('files/:name') @CacheResponse(60) file(@Req() { url }: { url: string }): object {
    return { extension: /\.(\w+)$/.exec(url.split('?')[0]!)?.[1] };
  }
  @Get('stream') @CacheResponse({ ttl: 60, maxBodyBytes: 10_000 }) stream(
    @Query('size') size: string,
  ): StreamableFile {
    return new StreamableFile(Readable.from([Buffer.alloc(size === 'large' ? 20_000 : 200, 's'), 'end']));
  }
  @Get('fails') @CacheResponse({ ttl: 1, staleIfError: 60 }) fails(@Query('fail') fail: string): string {
    if (fail !== undefined) throw new Error('asked to fail');
    return 'fine';
  }
  @Get('upstream/:id') @CacheResponse({ freshness: 'headers' }) upstream(
    @Param('id') id: string,
    @Res({ passthrough: true }) response: AnyResponse,
  ): object {
    response.header('Cache-Control', 'public, max-age=5, stale-while-revalidate=5');
    return { id };
  }
  @Post('public/:id') @HttpCode(204) change(): void {}
  @Put('public/:id') replace(): object {
    return { replaced: true };
  }
  @Delete('me') @HttpCode(204) leave(): void {}
}

/** Another one for each user, by every kind of credentials. */
@Controller()
@UseGuards(UserGuard)
export class PrivatePages {
  @Get(['me', 'me/:rest']) @CacheResponse(60) me(@Req() request: AnyRequest): string {
    return secretOf(request.user?.id);
  }
  @Get('mine/:id')
  @CacheResponse({ ttl: 2, keyConstructor: PerUser, staleWhileRevalidate: 60 })
  mine(@Req() request: AnyRequest): string {
    return secretOf(request.user?.id);
  }
  @Get('token') @CacheResponse({ ttl: 60, keyConstructor: PerToken }) token(
    @Headers('authorization') token: string | undefined,
  ): string {
    return secretOf(token?.replace(/^bearer /i, ''));
  }
  @Get('key') @CacheResponse(60) key(@Headers('x-api-key') key: string): string {
    return secretOf(key);
  }
  @Get('session') @CacheResponse(60) session(@Session() session: { secret?: string }): string {
    return session.secret ?? 'nobody';
  }
  @Get('cookie') @CacheResponse(60) cookie(@Req() { cookies }: AnyRequest): string {
    return secretOf(cookies['sid']);
  }
  @Get('late') @CacheResponse(60) late(@Req() request: AnyRequest): StreamableFile {
    const parts = function* (): Generator<Buffer> {
      yield Buffer.from('begin ');
      yield Buffer.from(secretOf(request.cookies['sid']));
    };
    return new StreamableFile(Readable.from(parts()));
  }
  @Get('own') @CacheResponse(60) @Header('Cache-Control', 'private, max-age=60') own(
    @Headers('x-member') member: string,
  ): string {
    return secretOf(member);
  }
  @Get('varied-own') @CacheResponse({ ttl: 60, vary: ['x-member'] }) variedOwn(
    @Headers('x-member') member: string,
  ): string {
    return secretOf(member);
  }
  @Get('login') @CacheResponse({ ttl: 60, shared: true }) login(
    @Req() request: AnyRequest,
    @Res({ passthrough: true }) response: AnyResponse,
  ): string {
    response.header('Set-Cookie', `sid=${encodeURIComponent(request.user?.id ?? 'nobody')}`);
    return secretOf(request.user?.id);
  }
  @Get('upstream-own') @CacheResponse({ freshness: 'headers' }) upstreamOwn(
    @Req() request: AnyRequest,
    @Headers('authorization') token: string | undefined,
    @Res({ passthrough: true }) response: AnyResponse,
  ): string {
    const user = token?.replace(/^bearer /i, '') ?? request.user?.id;
    // For a user's it would be wrong to say so, were it not for RFC 9111 §3.5.
    response.header('Cache-Control', user === undefined ? 'no-store' : 'max-age=60');
    return secretOf(user);
  }
  @Get('upstream-varied') @CacheResponse({ freshness: 'headers' }) upstreamVaried(
    @Headers('x-member') member: string,
    @Res({ passthrough: true }) response: AnyResponse,
  ): string {
    response.header('Cache-Control', 'max-age=60').header('Vary', 'X-Member');
    return secretOf(member);
  }
}
