import { afterEach, describe, expect, it } from '@jest/globals';
import type { LoaderContext } from '../../lib/index.js';
import { settled } from '../support/gate.js';
import { Applications } from './support/methods.js';

interface Feed {
  readonly version: number;
  readonly items: string[];
}

const { start, close } = new Applications();
afterEach(close);

describe('the loader of getOrSet', () => {
  it('sees its previous value, and keeps it for another lifetime with notModified()', async () => {
    const { cache, clock } = await start();
    let version = 1;
    const seen: (number | undefined)[] = [];
    const load = ({ previous, notModified }: LoaderContext<Feed>): Feed => {
      seen.push(previous?.version);
      return previous?.version === version ? notModified() : { version, items: [`v${version}`] };
    };
    const read = (): Promise<Feed> => cache.getOrSet('feed', load, { ttl: '1m', staleIfError: '1h' });
    const first = await read();
    clock.advance(61_000);
    expect(await read()).toEqual(first);
    clock.advance(59_000);
    expect(await read()).toEqual(first);
    expect(seen).toEqual([undefined, 1]);
    version = 2;
    clock.advance(2_000);
    expect(await read()).toEqual({ version: 2, items: ['v2'] });
    expect(seen).toEqual([undefined, 1, 1]);
  });

  it('sees it in a background refresh, as a copy', async () => {
    const { cache, clock } = await start();
    const load = ({ previous, notModified }: LoaderContext<string[]>): string[] => {
      if (previous === undefined) return ['a'];
      previous.push('changed by the loader');
      return notModified();
    };
    const read = (): Promise<string[]> =>
      cache.getOrSet('list', load, { ttl: '1m', staleWhileRevalidate: '1h' });
    await read();
    clock.advance(61_000);
    expect(await read()).toEqual(['a']);
    await settled();
    expect(await cache.get('list')).toEqual(['a']);
  });

  it('sees no value that was purged, and must not answer notModified() without one', async () => {
    const { cache } = await start();
    const load = ({ previous }: LoaderContext<string>): string => previous ?? 'new';
    await cache.getOrSet('key', () => 'old', { staleIfError: '1h' });
    await cache.delete('key');
    expect(await cache.getOrSet('key', load, { staleIfError: '1h' })).toBe('new');
    await expect(cache.getOrSet('other', ({ notModified }) => notModified())).rejects.toThrow(
      'answered notModified() without a previous value',
    );
  });
});
