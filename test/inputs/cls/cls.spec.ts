import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { platforms, send, type Answer, type PlatformName } from '../../http/support/application.js';
import { serverUrl } from '../../servers/url.js';
import { uniqueName } from '../../support/unique.js';
import { STORES, type StoreName } from '../support/rows.js';

jest.setTimeout(120_000);

const children: ChildProcess[] = [];

/** Answers the port of the application, once it listens. @throws Error with what it logged where it does not start */
async function run(platform: PlatformName, store: StoreName, enabled: boolean): Promise<number> {
  const [loader, file] = ['../../support/typescript.mjs', './application.ts'].map(
    (path) => new URL(path, import.meta.url),
  );
  const own = [platform, store, uniqueName('cls'), String(enabled)];
  const child = spawn(process.execPath, ['--no-warnings', '--import', loader!.href, file!.pathname, ...own], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TEST_REDIS_URL: serverUrl('redis'), NODE_OPTIONS: '' },
  });
  children.push(child);
  let log = '';
  child.stderr.on('data', (chunk) => (log += chunk));
  const [said] = await Promise.race([once(child.stdout, 'data'), once(child, 'close').then(() => [''])]);
  if (!Number(said)) throw new Error(`the application does not start: ${log}`);
  return Number(said);
}

afterEach(async () => {
  const closed = children.map((child) => child.exitCode === null && once(child, 'close'));
  for (const child of children.splice(0)) child.kill();
  await Promise.all(closed);
});

const VISITORS: readonly Record<string, string>[] = [
  { cookie: 'sid=ada', 'accept-language': 'de' },
  { cookie: 'sid=bob', 'accept-language': 'fr' },
  { 'accept-language': 'en' },
  { cookie: '_ga=GA1.1.1.1' },
];

describe.each(platforms)('an application with nestjs-cls on %s', (platform) => {
  describe.each(STORES)('in %s', (store) => {
    it('starts, and gives everybody his own answer', async () => {
      const [cached, uncached] = await Promise.all([run(platform, store, true), run(platform, store, false)]);
      const ask = (port: number, path: string, visitor: Record<string, string>): Promise<Answer> =>
        send(port, path, { headers: { host: 'a.test', ...visitor } });
      for (const path of ['/account/1', '/viewer/1', '/greeting/1', '/public/1'])
        for (const visitor of [...VISITORS, ...VISITORS])
          expect([path, (await ask(cached, path, visitor)).body]).toEqual([
            path,
            (await ask(uncached, path, visitor)).body,
          ]);
    });

    it('gives hits on a page that reads nothing of the context', async () => {
      const port = await run(platform, store, true);
      const statuses: unknown[] = [];
      for (let visitor = 0; visitor < 20; visitor++) {
        const headers = { host: 'a.test', 'user-agent': `Mozilla/5.0 (${visitor})` };
        statuses.push((await send(port, '/public/1', { headers })).cache);
      }
      expect(statuses.filter((status) => status === 'HIT').length).toBeGreaterThanOrEqual(18);
    });
  });
});
