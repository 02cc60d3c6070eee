import { VersioningType } from '@nestjs/common';
import { describe, it } from '@jest/globals';
import { platforms, start, type PlatformName, type RequestOptions } from '../http/support/application.js';
import { Routes, Undecorated } from './support/cached-routes.js';
import { expectPinned } from './support/pin.js';
import { RecordingStore, written } from './support/recording-store.js';

type Headers = Record<string, string>;

const json = (body: unknown): RequestOptions => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', host: 'example.com' },
  body: JSON.stringify(body),
});

const REQUESTS: readonly (readonly [path: string, options?: Headers | RequestOptions])[] = [
  ['/routes/plain'],
  ['/routes/plain', { host: 'EXAMPLE.com:8080' }],
  ['/routes/plain?b=2&a=1&a=0'],
  ['/routes/plain?q=caf%C3%A9&%5B%5D=x&empty=&bare'],
  ['/routes/plain?a[b]=1&c.d=2'],
  [`/routes/plain?long=${'x'.repeat(300)}`],
  ['/routes/items/Pen/042?page=2'],
  ['/routes/items/a%2Fb/%E6%97%A5'],
  ['/routes/query?page=1&tag=b&tag=a&other=1'],
  ['/routes/ignored?page=1&utm_source=x'],
  ['/routes/varied'],
  ['/routes/varied', { 'x-tenant': 'Acme, Inc.' }],
  ['/routes/by-handler', { 'accept-language': 'de' }],
  ['/routes/by-handler', { 'accept-language': 'de, en;q=0.5', accept: 'text/html' }],
  ['/routes/language', { 'accept-language': 'de' }],
  ['/routes/cookie', { cookie: 'theme=dark; sid=1' }],
  ['/routes/value', { 'x-tenant': 'Acme' }],
  ['/routes/fields/Hello?page=2'],
  ['/routes/arguments/7?page=2'],
  ['/routes/tagged/7'],
  ['/routes/search', json({ b: [1, 2], a: 'x' })],
  ['/routes/body', json({ term: 'x', other: 1 })],
  ['/routes/headers?b=2&a=1'],
  ['/routes/items/Pen/042', { method: 'PUT', headers: { host: 'example.com' } }],
  ['/routes/headers?b=2&a=1', { method: 'PUT', headers: { host: 'example.com' } }],
  ['/routes/articles/Hello', { method: 'DELETE', headers: { host: 'example.com' } }],
  ['/routes/named'],
  ['/v2/routes/versioned'],
  ['/everything/1?a=1'],
];

describe.each(platforms)('keys and tags of responses stay as pinned on %s:', (platform: PlatformName) => {
  it('entries of @CacheResponse', async () => {
    const store = new RecordingStore();
    const app = await start(platform, {
      controllers: [Routes, Undecorated],
      cache: { store, application: 'app', cacheEverything: { ttl: 60 } },
      setup: (nest) => void nest.enableVersioning({ type: VersioningType.URI }),
    });
    try {
      const lines: string[] = [];
      for (const [path, options = {}] of REQUESTS) {
        const isWhole = 'method' in options;
        const request = isWhole ? options : { headers: { host: 'example.com', ...(options as Headers) } };
        const title = `${request.method ?? 'GET'} ${path} ${JSON.stringify((isWhole ? options['body'] : options) ?? {})}`;
        await store.forget();
        lines.push(await written(title, store, () => app.get(path, request as RequestOptions)));
      }
      expectPinned('formats/response-keys.txt', lines.join('\n\n'));
    } finally {
      await app.close();
    }
  });
});
