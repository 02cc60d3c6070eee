import { request } from 'node:http';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { RestflowDashboardModule } from '../../lib/dashboard.js';
import { LiveFeed, type ViewerConnection } from '../../lib/dashboard/live-feed.js';
import type { CacheRuntime } from '../../lib/cache/cache-runtime.js';
import { CACHE_RUNTIME } from '../../lib/cache/runtime-token.js';
import { platforms, type TestApplication } from '../http/support/application.js';
import { until } from '../support/until.js';
import { Articles, HOSTILE, startShop, Word } from './support/shop.js';

let running: { close(): Promise<void> }[] = [];
afterEach(async () => {
  jest.useRealTimers();
  for (const one of running) await one.close();
  running = [];
});

const begin: typeof startShop = async (...given) => {
  const app = await startShop(...given);
  running.push(app);
  return app;
};

const ROUTES = [
  ['GET', ''],
  ['GET', '/dashboard.js'],
  ['GET', '/dashboard.css'],
  ['GET', '/data'],
  ['GET', '/token'],
  ['GET', '/stream'],
  ['POST', '/entry'],
  ['POST', '/actions'],
] as const;

describe('RestflowDashboardModule.forRoot()', () => {
  const environment = process.env['NODE_ENV'];
  afterEach(() => {
    process.env['NODE_ENV'] = environment;
  });

  it('refuses to boot without a guard, unless it says open or the environment is development', () => {
    for (const other of ['production', 'test', '']) {
      process.env['NODE_ENV'] = other;
      expect(() => RestflowDashboardModule.forRoot()).toThrow('Write { guard: AdminGuard }');
      expect(() => RestflowDashboardModule.forRoot({ open: false })).toThrow('there is no guard');
      expect(() => RestflowDashboardModule.forRoot({ open: true })).not.toThrow();
      expect(() => RestflowDashboardModule.forRoot({ guard: Word })).not.toThrow();
    }
    process.env['NODE_ENV'] = 'development';
    expect(() => RestflowDashboardModule.forRoot()).not.toThrow();
    expect(() => RestflowDashboardModule.forRoot({ open: false })).toThrow('there is no guard');
  });

  it('refuses options that cannot work', () => {
    expect(() => RestflowDashboardModule.forRoot({ open: true, secret: 'short' })).toThrow('at least 32');
    expect(() => RestflowDashboardModule.forRoot({ open: true, action: true } as never)).toThrow('actions?');
  });
});

describe.each(platforms)('the dashboard on %s', (platform) => {
  const post = (app: TestApplication, path: string, body: object, headers: Record<string, string> = {}) =>
    app.get(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });

  const tokenOf = async (app: TestApplication): Promise<Record<string, string>> => {
    const { token } = JSON.parse((await app.get('/cache/token')).body) as { token: string };
    return { 'x-restflow-token': token, 'sec-fetch-site': 'same-origin' };
  };

  it('asks its guard for every route', async () => {
    const app = await begin(platform, { guard: Word, actions: true });
    for (const [method, path] of ROUTES)
      expect([path, (await app.get(`/cache${path}`, { method })).status]).toEqual([path, 403]);
    const { status } = await app.get('/cache', { 'x-word': 'open sesame' });
    expect(status).toBe(200);
  });

  it('sends a page that loads nothing from elsewhere, and is never stored', async () => {
    const app = await begin(platform, { open: true }, { cache: { cacheEverything: { ttl: 60 } } });
    const page = await app.get('/cache');
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(page.headers['content-security-policy']).toContain(`default-src 'none'; script-src 'self'`);
    expect(page.headers['cache-control']).toBe('no-store');
    expect(page.body).toContain('<script type="module" src="./cache/dashboard.js"></script>');
    // Fastify tells the two apart unless it is told not to.
    if (platform === 'express') expect((await app.get('/cache/')).body).toContain('src="./dashboard.js"');
    for (const path of ['/cache', '/cache/dashboard.js', '/cache/dashboard.css']) {
      const { status, body, cache } = await app.get(path);
      expect([path, status, cache]).toEqual([path, 200, undefined]);
      expect(body).not.toMatch(/https?:\/\//);
      expect(body).not.toMatch(/innerHTML|insertAdjacentHTML|document\.write|\beval\(/);
    }
  });

  it('reports methods, rules and routes as JSON, with no key, tag or value', async () => {
    const app = await begin(platform, { open: true });
    await app.app.get(Articles).find('alice@example.com');
    for (let i = 0; i < 2; i++) await app.get('/articles/alice@example.com');
    const { body } = await app.get('/cache/data');
    expect(body).not.toContain('alice');
    const { report } = JSON.parse(body) as { report: { methods: Record<string, unknown>[] } };
    expect(report.methods.find(({ name }) => name === 'ArticlesController.one')).toMatchObject({
      kind: 'response',
      route: '/articles/:slug',
      ttl: 600,
      partitionFields: ['slug'],
      rules: [{ entity: 'Article', drops: ['slug'] }],
      counts: { hits: 1, misses: 1, loads: 1 },
    });
  });

  it('looks at an entry without running its method, and hides keys, tags and values unless told to show them', async () => {
    const hiding = await begin(platform, { open: true });
    const articles = hiding.app.get(Articles);
    const ask = async (app: TestApplication, body: object) =>
      JSON.parse((await post(app, '/cache/entry', body, await tokenOf(app))).body) as Record<string, unknown>;
    const call = { method: 'Articles.find', args: ['alice@example.com'] };
    expect(await ask(hiding, call)).toMatchObject({ status: 'MISS', bytes: null, cachedAt: null });
    await articles.find('alice@example.com');
    const entry = await ask(hiding, call);
    expect(entry).toMatchObject({
      status: 'HIT',
      bytes: expect.any(Number),
      key: expect.stringMatching(/^#.{12}$/),
    });
    expect(JSON.stringify(entry)).not.toContain('alice');
    expect(articles.runs).toBe(1);
    expect(hiding.cache.metrics().methods.find(({ name }) => name === 'Articles.find')).toMatchObject({
      hits: 0,
      misses: 1,
    });
    const showing = await begin(platform, { open: true, keys: true, values: true });
    await showing.app.get(Articles).find('alice@example.com');
    expect(await ask(showing, call)).toMatchObject({
      key: expect.stringContaining('alice@example.com'),
      value: expect.stringContaining('"slug": "alice@example.com"'),
    });
    const request = { params: { slug: 'a' }, headers: { host: 'shop.test' } };
    expect(await ask(showing, { method: 'ArticlesController.one', args: [request] })).toMatchObject({
      status: 'MISS',
    });
    expect(
      await post(showing, '/cache/entry', { method: 'No.such', args: [] }, await tokenOf(showing)),
    ).toMatchObject({ status: 404 });
    expect(await post(showing, '/cache/entry', { method: 7 }, await tokenOf(showing))).toMatchObject({
      status: 400,
    });
  });

  it('only reads, unless actions are allowed', async () => {
    const app = await begin(platform, { open: true });
    const { status } = await post(app, '/cache/actions', { kind: 'everything' }, await tokenOf(app));
    expect(status).toBe(404);
  });

  it('drops by method, partition, tag and key, and writes into the log who wanted it', async () => {
    const app = await begin(platform, { guard: Word, actions: true });
    const word = { 'x-word': 'open sesame' };
    const { token } = JSON.parse((await app.get('/cache/token', word)).body) as { token: string };
    const headers = { ...word, 'x-restflow-token': token, 'sec-fetch-site': 'same-origin' };
    const articles = app.app.get(Articles);
    const actions: Record<string, object> = {
      'all values of Articles.find': { kind: 'method', method: 'Articles.find' },
      'the partition #': { kind: 'partition', method: 'Articles.find', values: { slug: 'alice' } },
      'the value of Articles.find for #': { kind: 'key', method: 'Articles.find', args: ['alice'] },
      everything: { kind: 'everything' },
    };
    for (const [words, action] of Object.entries(actions)) {
      await articles.find('alice');
      const runs = articles.runs;
      const { status, body } = await post(app, '/cache/actions', action, headers);
      expect([words, status, body]).toEqual([words, 200, '{"delivery":"delivered"}']);
      await articles.find('alice');
      expect([words, articles.runs]).toEqual([words, runs + 1]);
      const line = app.lines.find((one) => one.includes(`dropped ${words}`));
      expect([words, line]).toEqual([words, expect.stringContaining('for 7: delivered')]);
      expect(line).not.toContain('alice');
    }
    const wrong = { kind: 'partition', method: 'Articles.find', values: { page: 1 } };
    expect((await post(app, '/cache/actions', wrong, headers)).status).toBe(400);
    expect((await post(app, '/cache/actions', { kind: 'all' }, headers)).status).toBe(400);
  });

  it('drops nothing for a page of another site, and nothing without its token', async () => {
    const app = await begin(platform, { open: true, actions: true });
    const articles = app.app.get(Articles);
    await articles.find('a');
    const { 'x-restflow-token': token } = await tokenOf(app);
    const [expires] = token!.split('.');
    const host = `127.0.0.1:${app.port}`;
    const refused: Record<string, string>[] = [
      {},
      { 'sec-fetch-site': 'same-origin' },
      { 'x-restflow-token': token! },
      { 'x-restflow-token': token!, 'sec-fetch-site': 'cross-site' },
      { 'x-restflow-token': token!, 'sec-fetch-site': 'same-site' },
      { 'x-restflow-token': token!, origin: 'https://evil.test' },
      { 'x-restflow-token': token!, origin: 'null' },
      { 'x-restflow-token': `${expires}.x`, 'sec-fetch-site': 'same-origin' },
      {
        'x-restflow-token': `${Number(expires) + 1}${token!.slice(expires!.length)}`,
        'sec-fetch-site': 'same-origin',
      },
      { 'x-restflow-token': 'x', origin: `http://${host}` },
    ];
    for (const headers of refused) {
      const { status } = await post(app, '/cache/actions', { kind: 'everything' }, headers);
      expect([headers, status]).toEqual([headers, 403]);
    }
    await articles.find('a');
    expect(articles.runs).toBe(1);
    // A browser without Fetch Metadata.
    const old = { 'x-restflow-token': token!, origin: `http://${host}` };
    expect((await post(app, '/cache/actions', { kind: 'everything' }, old)).status).toBe(200);
  });

  it('streams reports and invalidations while somebody looks, and ends streams at shutdown', async () => {
    const app = await begin(platform, { open: true });
    let text = '';
    let isOver = false;
    const headers = await new Promise<object>((resolve, reject) => {
      const client = request({ port: app.port, host: '127.0.0.1', path: '/cache/stream' }, (response) => {
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => (isOver = true));
        resolve(response.headers);
      });
      client.on('error', reject);
      client.end();
    });
    expect(headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
    });
    await until(() => text.includes('event: report\ndata: {'), 'a report');
    await app.cache.invalidateTags(['alice@example.com']);
    await until(() => text.includes('event: invalidation\n'), 'an invalidation');
    expect(text).toContain('"cause":"manual"');
    expect(text).not.toContain('alice');
    running.pop();
    await app.app.close();
    await until(() => isOver, 'the end of the stream', { seconds: 20 });
  });
});

describe('the live feed', () => {
  class Connection implements ViewerConnection {
    text = '';
    writableLength = 0;
    writableEnded = false;
    #close: () => void = () => undefined;
    writeHead(): void {}
    write(text: string): boolean {
      this.text += text;
      return true;
    }
    end(): void {
      this.writableEnded = true;
      this.#close();
    }
    on(_event: 'close', listener: () => void): void {
      this.#close = listener;
    }
  }

  const feed = async (showsKeys = false) => {
    const app = await begin('express', { open: true });
    const runtime = app.app.get<CacheRuntime>(CACHE_RUNTIME, { strict: false });
    let reports = 0;
    return {
      app,
      live: new LiveFeed(runtime, () => ({ reports: ++reports }), showsKeys),
      made: () => reports,
    };
  };

  it('sends a comment every 15 s, and makes no report while nobody looks', async () => {
    const { live, made } = await feed();
    jest.useFakeTimers({ now: 0 });
    jest.advanceTimersByTime(60_000);
    expect(made()).toBe(0);
    const viewer = new Connection();
    expect(live.add(viewer, {})).toBe(true);
    jest.advanceTimersByTime(30_000);
    expect(viewer.text.match(/^: $/gm)).toHaveLength(2);
    expect(made()).toBe(16);
    viewer.end();
    jest.advanceTimersByTime(60_000);
    expect(made()).toBe(16);
    live.close();
  });

  it('keeps nothing of invalidations that nobody saw', async () => {
    const { app, live } = await feed(true);
    await app.cache.invalidateTags(['before']);
    const viewer = new Connection();
    live.add(viewer, {});
    await app.cache.invalidateTags([HOSTILE]);
    expect(live.invalidations).toHaveLength(1);
    // One line, whatever a tag holds.
    expect(viewer.text.split('\n').filter((line) => line.includes('onerror'))).toHaveLength(1);
    viewer.end();
    expect(live.invalidations).toHaveLength(0);
    live.close();
  });

  it('lets fifty look at one time, and closes a connection that does not read', async () => {
    const { app, live } = await feed();
    const viewers = Array.from({ length: 50 }, () => new Connection());
    for (const viewer of viewers) expect(live.add(viewer, {})).toBe(true);
    expect(live.add(new Connection(), {})).toBe(false);
    viewers[0]!.writableLength = 2_000_000;
    await app.cache.invalidateTags(['one']);
    expect(viewers[0]!.writableEnded).toBe(true);
    expect(live.viewers).toBe(49);
    live.close();
    expect(viewers.every(({ writableEnded }) => writableEnded)).toBe(true);
    expect(live.add(new Connection(), {})).toBe(false);
  });
});
