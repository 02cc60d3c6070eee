import { mkdirSync, readFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Browser, chromium, type Page } from 'playwright-core';
import { DataSource } from 'typeorm';
import { platforms, type TestApplication } from '../http/support/application.js';
import { servers } from '../servers/registry.mjs';
import { until } from '../support/until.js';
import { Article, Articles, HOSTILE, startShop } from './support/shop.js';

const url = process.env[servers['chromium']!.variable];
const shots = join(import.meta.dirname, '..', '..', '.tmp', 'screenshots');
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const PAGES = ['overview', 'methods', 'refusals', 'graph', 'invalidations', 'stores', 'jobs', 'key'];

// The run says so where there is no browser.
(url === undefined ? describe.skip : describe)('the dashboard in a browser', () => {
  let browser: Browser;
  let running: { close(): Promise<unknown> }[] = [];

  beforeAll(async () => {
    mkdirSync(shots, { recursive: true });
    browser = await chromium.connectOverCDP(url!);
  });
  afterEach(async () => {
    for (const one of running.reverse()) await one.close();
    running = [];
  });
  // Ends the connection, not the browser.
  afterAll(() => browser.close());

  /** A shop that has been busy, with hostile names. */
  const busyShop = async (
    platform: (typeof platforms)[number],
    options: Partial<Parameters<typeof startShop>[1]> = {},
  ): Promise<TestApplication> => {
    const app = await startShop(
      platform,
      { open: true, actions: true, ...options },
      { setup: (one) => void one.setGlobalPrefix('api') },
    );
    running.push(app);
    const articles = app.app.get(Articles);
    for (const slug of ['a', 'a', 'b', 'a']) await articles.find(slug);
    for (const text of ['x', 'x', 'no', HOSTILE]) await articles.hostile(text);
    for (let i = 0; i < 3; i++) await app.get('/api/articles/a');
    await app.get('/api/articles/a', { cookie: 'session=1' });
    return app;
  };

  interface Opened {
    readonly page: Page;
    readonly requests: string[];
    readonly problems: string[];
  }

  const open = async (
    address: string,
    context: Parameters<Browser['newContext']>[0] = {},
  ): Promise<Opened> => {
    const own = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...context });
    running.push(own);
    const page = await own.newPage();
    const requests: string[] = [];
    const problems: string[] = [];
    page.on('request', (one) => requests.push(one.url()));
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    await page.goto(address);
    await page.locator('#connection', { hasText: 'Live' }).waitFor();
    return { page, requests, problems };
  };

  const goTo = async (page: Page, name: string): Promise<void> => {
    await page.evaluate(`location.hash = ${JSON.stringify(`#/${name}`)}`);
    await page.locator('main h1').waitFor();
  };

  /** What axe finds that keeps somebody out. */
  const barriers = async (page: Page): Promise<string[]> => {
    // The page's own policy forbids scripts from elsewhere; the debugger may run them.
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() =>
      (
        globalThis as unknown as {
          axe: {
            run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>;
          };
        }
      ).axe.run(),
    );
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes[0]!.html}`);
  };

  it.each(platforms)('shows every page, for everybody and at every width, on %s', async (platform) => {
    const app = await busyShop(platform);
    const looks = [
      { name: 'light', colorScheme: 'light', viewport: { width: 1200, height: 900 } },
      { name: 'dark', colorScheme: 'dark', viewport: { width: 1200, height: 900 } },
      { name: 'narrow', colorScheme: 'light', viewport: { width: 400, height: 800 } },
    ] as const;
    // The second platform sends the same files.
    for (const { name, ...look } of platform === 'express' ? looks : looks.slice(2)) {
      const { page, problems } = await open(`http://127.0.0.1:${app.port}/api/cache`, look);
      for (const one of [...PAGES, 'method/Articles.find']) {
        await goTo(page, one);
        expect([name, one, await barriers(page)]).toEqual([name, one, []]);
        expect(await page.locator('main').textContent()).not.toMatch(/\[object|undefined|NaN/);
        const overflow = await page.evaluate(
          `document.documentElement.scrollWidth - document.documentElement.clientWidth`,
        );
        expect([name, one, overflow]).toEqual([name, one, 0]);
        if (platform === 'express')
          await page.screenshot({
            path: join(shots, `${one.replace('/', '-')}-${name}.png`),
            fullPage: true,
          });
      }
      expect(problems).toEqual([]);
    }
  });

  it('takes names, tags and causes for text, and shows no key', async () => {
    const app = await busyShop('express', { keys: true });
    const { page, problems } = await open(`http://127.0.0.1:${app.port}/api/cache#/invalidations`);
    await app.cache.invalidateTags([HOSTILE]);
    await page.getByText('onerror').first().waitFor();
    for (const one of [...PAGES, `method/${encodeURIComponent(HOSTILE)}`]) {
      await goTo(page, one);
      expect(await page.evaluate(() => (globalThis as { hacked?: number }).hacked)).toBeUndefined();
      expect(await page.locator('main img, main script').count()).toBe(0);
    }
    expect(await page.locator('h1').textContent()).toBe(HOSTILE);
    expect(problems).toEqual([]);
  });

  it('shows an invalidation as it happens, with its cause', async () => {
    const app = await busyShop('fastify');
    const { page } = await open(`http://127.0.0.1:${app.port}/api/cache#/invalidations`);
    await app.app.get(DataSource).getRepository(Article).save({ slug: 'a' });
    const row = page.locator('#region-invalidations tbody tr').first();
    await row.waitFor();
    expect(await row.textContent()).toContain('change');
    expect(await row.textContent()).toContain('Articles.find');
  });

  it('works with the keyboard alone: sorts, looks at a key, drops after a confirmation', async () => {
    const app = await busyShop('express');
    const { page } = await open(`http://127.0.0.1:${app.port}/api/cache`);
    await page.keyboard.press('Tab');
    expect(await page.evaluate(`document.activeElement.textContent`)).toBe('Skip to the content');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.locator('h1', { hasText: 'Methods' }).waitFor();
    await page.focus('#sort-hits');
    await page.keyboard.press('Enter');
    // The table is made anew, and keeps the focus.
    expect(await page.evaluate(`document.activeElement.id`)).toBe('sort-hits');
    expect(await page.locator('th[aria-sort]').textContent()).toBe('Hits');
    await goTo(page, 'key');
    await page.selectOption('#key-method', 'Articles.find');
    await page.fill('#key-arguments', '["a"]');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByText('Stored and fresh').waitFor();
    // A report that comes meanwhile takes nothing away.
    await page.waitForTimeout(2_500);
    expect(await page.inputValue('#key-arguments')).toBe('["a"]');
    const { runs } = app.app.get(Articles);
    await goTo(page, 'method/Articles.find');
    await page.focus('#drop-drop-all-values');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await app.app.get(Articles).find('a');
    expect(app.app.get(Articles).runs).toBe(runs);
    await page.focus('#drop-drop-all-values');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').getByRole('button', { name: 'Drop' }).focus();
    await page.keyboard.press('Enter');
    await page.getByText('Dropped.').waitFor();
    await app.app.get(Articles).find('a');
    expect(app.app.get(Articles).runs).toBe(runs + 1);
    await page.getByLabel('slug').fill('a');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').getByRole('button', { name: 'Drop' }).click();
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    await until(async () => {
      await app.app.get(Articles).find('a');
      return app.app.get(Articles).runs === runs + 2;
    });
  });

  it('asks one host alone, below the path that a proxy adds, and polls where the proxy holds streams back', async () => {
    const app = await busyShop('express');
    const proxy = await startProxy(app.port, '/behind/a/proxy', false);
    running.push({ close: () => new Promise((resolve) => proxy.close(resolve)) });
    const { port } = proxy.address() as AddressInfo;
    const origin = `http://127.0.0.1:${port}/behind/a/proxy/`;
    const { page, requests, problems } = await open(`${origin}api/cache`);
    await goTo(page, 'methods');
    await page.getByText('Articles.find').first().waitFor();
    expect(requests.filter((one) => !one.startsWith(origin) && !one.startsWith('data:'))).toEqual([]);
    expect(problems).toEqual([]);

    const holding = await startProxy(app.port, '/held', true);
    running.push({ close: () => new Promise((resolve) => holding.close(resolve)) });
    const context = await browser.newContext();
    running.push(context);
    const held = await context.newPage();
    await held.goto(`http://127.0.0.1:${(holding.address() as AddressInfo).port}/held/api/cache`);
    await held.locator('#connection', { hasText: 'Polling' }).waitFor();
    await held.getByText('Hit rate').first().waitFor();
  });
});

/** A proxy that serves an application below a path. @param holds whether it holds streams back */
async function startProxy(to: number, path: string, holds: boolean): Promise<Server> {
  const server = createServer((incoming, outgoing) => {
    if (!incoming.url!.startsWith(path)) {
      outgoing.writeHead(404).end();
      return;
    }
    const target = incoming.url!.slice(path.length);
    if (holds && target.endsWith('/stream')) return;
    const forward = request(
      { port: to, host: '127.0.0.1', path: target, method: incoming.method, headers: incoming.headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(outgoing);
      },
    );
    forward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => forward.destroy());
    incoming.pipe(forward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
