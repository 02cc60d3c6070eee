import { Controller, Get, Headers, Query, Res, Header } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CacheResponse, CookiesKeyField, HeadersKeyField } from '../../lib/index.js';
import { gate, platforms, start, until, type TestApplication } from './support/application.js';

interface AnyResponse {
  header(name: string, value: string): AnyResponse;
}

let handled: string[] = [];
let doors: ReturnType<typeof gate>[] = [];

@Controller()
class Varying {
  @Get('handler') @CacheResponse(60) async handler(
    @Headers('accept-language') language: string,
    @Res({ passthrough: true }) response: AnyResponse,
    @Query('held') held?: string,
  ): Promise<string> {
    handled.push(language);
    const door = held === undefined ? undefined : doors[handled.length - 1];
    await door?.promise;
    response.header('Vary', 'Accept-Language');
    return `in ${language}`;
  }
  @Get('declared')
  @CacheResponse({ ttl: 60, vary: ['Accept-Language', 'X-Theme'] })
  declared(@Headers() headers: Record<string, string>): string {
    handled.push('declared');
    return `in ${headers['accept-language']} with ${headers['x-theme']}`;
  }
  @Get('sometimes') @CacheResponse(60) sometimes(
    @Headers('x-ab') ab: string | undefined,
    @Res({ passthrough: true }) response: AnyResponse,
  ): string {
    handled.push(String(ab));
    if (ab !== undefined) response.header('Vary', 'X-AB');
    return `ab ${ab}`;
  }
  @Get('star') @CacheResponse(60) @Header('Vary', '*') star(): string {
    handled.push('star');
    return 'star';
  }
  @Get('many') @CacheResponse(60) @Header('Vary', 'a, b, c, d, e, f, g, h, i') many(): string {
    handled.push('many');
    return 'many';
  }
  @Get('keyed')
  @CacheResponse({
    ttl: 60,
    cacheControl: true,
    keyConstructor: {
      language: new HeadersKeyField('Accept-Language'),
      theme: new CookiesKeyField('theme'),
      token: new HeadersKeyField(['authorization', 'host'], { identity: false }),
    },
  })
  keyed(@Headers('accept-language') language: string): string {
    handled.push(language);
    return `in ${language}`;
  }
  @Get('twice')
  @CacheResponse({ ttl: 60, vary: ['Accept-Language', 'X-Theme'] })
  @Header('Vary', 'Accept-Language')
  twice(): string {
    return 'twice';
  }
  @Get('middleware') @CacheResponse(60) middleware(@Headers('accept-language') language: string): string {
    handled.push(language);
    return `in ${language}`;
  }
}

/** What an i18n middleware does: the language is chosen before the handler runs. */
function languages(
  _request: object,
  response: { setHeader(name: string, value: string): void },
  next: () => void,
): void {
  response.setHeader('Vary', 'Origin, Accept-Language');
  next();
}

describe.each(platforms)('Vary on %s', (platform) => {
  let app: TestApplication;
  beforeEach(async () => {
    handled = [];
    doors = [gate(), gate(), gate()];
    app = await start(platform, { controllers: [Varying] });
  });
  afterEach(() => app.close());

  const ask = async (path: string, language: string): Promise<string> => {
    const { cache, body } = await app.get(path, { 'accept-language': language });
    return `${cache} ${body}`;
  };

  it('of the handler makes a variant for each value', async () => {
    expect(await ask('/handler', 'en')).toBe('MISS in en');
    expect(await ask('/handler', 'de')).toBe('MISS in de');
    expect(await ask('/handler', 'en')).toBe('HIT in en');
    expect(await ask('/handler', 'de')).toBe('HIT in de');
    expect((await app.get('/handler')).body).toBe('in undefined');
    expect((await app.get('/handler', { 'accept-language': 'en' })).headers['vary']).toMatch(
      /accept-language/i,
    );
  });

  it('values that differ in white space alone are one', async () => {
    await ask('/handler', 'en, de;q=0.8');
    expect(await ask('/handler', ' en,de;q=0.8 ')).toBe('HIT in en, de;q=0.8');
  });

  it('of the handler keeps requests apart that were in flight together', async () => {
    const [en, de, fr] = ['en', 'de', 'fr'].map((language) => ask('/handler?held=1', language));
    await until(() => handled.length > 0);
    doors.forEach(({ open }) => open());
    expect((await Promise.all([en, de, fr])).map((answer) => answer!.replace(/^\w+ /, ''))).toEqual([
      'in en',
      'in de',
      'in fr',
    ]);
    for (const language of ['en', 'de', 'fr'])
      expect(await ask('/handler?held=1', language)).toBe(`HIT in ${language}`);
  });

  it('learned by one load holds for another that began before it was known', async () => {
    const first = ask('/handler?held=1', 'en');
    await until(() => handled.length === 1);
    await app.cache.for(Varying, 'handler').invalidateAll();
    const second = ask('/handler?held=1', 'de');
    await until(() => handled.length === 2);
    const waiting = ask('/handler?held=1', 'fr');
    doors[0]!.open();
    expect(await first).toBe('MISS in en');
    doors[1]!.open();
    doors[2]!.open();
    expect(await second).toBe('MISS in de');
    expect(await waiting).toBe('MISS in fr');
    expect(await ask('/handler?held=1', 'de')).toBe('HIT in de');
    expect(await ask('/handler?held=1', 'en')).toBe('MISS in en');
  });

  it('declared by the route makes variants and is sent to outer caches', async () => {
    const headers = (language: string, theme: string) => ({ 'accept-language': language, 'x-theme': theme });
    for (const turn of ['MISS', 'HIT']) {
      for (const [language, theme] of [
        ['en', 'dark'],
        ['en', 'light'],
        ['de', 'dark'],
      ] as const) {
        const answer = await app.get('/declared', headers(language, theme));
        expect([answer.cache, answer.body]).toEqual([turn, `in ${language} with ${theme}`]);
        expect(answer.headers['vary']).toMatch(/accept-language.*x-theme/i);
      }
    }
  });

  it('names a header once that the handler and the route declare', async () => {
    for (let turn = 0; turn < 2; turn++)
      expect((await app.get('/twice')).headers['vary']).toBe('Accept-Language, x-theme');
  });

  it('names to outer caches the headers that fields of the key read', async () => {
    for (const cache of ['MISS', 'HIT']) {
      const answer = await app.get('/keyed', { 'accept-language': 'de' });
      expect([answer.cache, answer.headers['vary']]).toEqual([cache, 'accept-language, cookie']);
    }
    expect((await app.get('/keyed', { 'accept-language': 'en' })).body).toBe('in en');
  });

  it('that only some answers carry still keeps variants apart', async () => {
    expect((await app.get('/sometimes', { 'x-ab': 'a' })).body).toBe('ab a');
    expect((await app.get('/sometimes')).body).toBe('ab undefined');
    expect((await app.get('/sometimes', { 'x-ab': 'b' })).body).toBe('ab b');
    expect((await app.get('/sometimes', { 'x-ab': 'a' })).cache).toBe('HIT');
  });

  it.each(['star', 'many'])('that no key can hold is not stored: %s', async (path) => {
    for (let turn = 0; turn < 2; turn++) expect((await app.get(`/${path}`)).cache).toBe('MISS');
    expect(handled).toHaveLength(2);
    expect(app.complaints.join()).toMatch(/Vary|varies/);
  });

  it('of middleware before the handler makes variants too, but not by the origin', async () => {
    await app.close();
    app = await start(platform, { controllers: [Varying], setup: (app) => void app.use(languages) });
    expect(await ask('/middleware', 'en')).toBe('MISS in en');
    expect(await ask('/middleware', 'de')).toBe('MISS in de');
    const other = await app.get('/middleware', { 'accept-language': 'en', origin: 'https://a.example' });
    expect([other.cache, other.body]).toEqual(['HIT', 'in en']);
  });
});
