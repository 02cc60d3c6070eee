import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startShapes } from './shapes/apps.js';
import { bodies } from './shapes/bodies.js';
import { compressed, encoded, rendered } from './shapes/encodings.js';
import { heads } from './shapes/heads.js';
import { refused } from './shapes/refused.js';
import type { Runs, Shape } from './shapes/shape.js';
import type { TestApplication } from './support/application.js';
import { http1, http2, type WireAnswer, type WireClient } from './support/wire.js';

const shapes: readonly Shape[] = [...bodies, ...heads, ...encoded, ...rendered];

const wires = [
  ['Express', 'express', 'http1'],
  ['Fastify', 'fastify', 'http1'],
  ['Fastify over HTTP/2', 'fastify', 'http2'],
] as const;

/** What may differ: the moment, the framing, and what the cache says of itself. */
const OF_THE_MOMENT =
  /^(?:age|date|content-length|transfer-encoding|cache-status|x-cache-status|x-cached-at|x-cache-reset-at)$/i;

/** All else, in its order and its spelling. */
function essence({ start, headers, body }: WireAnswer, first: WireAnswer): object {
  // The ETag of a stream is known from the first hit.
  const isNew = (name: string): boolean => /^etag$/i.test(name) && fieldOf(first, 'etag') === undefined;
  const lines = headers.filter(([name]) => !OF_THE_MOMENT.test(name) && !isNew(name));
  return { start, headers: lines.map((line) => line.join(': ')), body: body.toString('latin1') };
}

function fieldOf({ headers }: WireAnswer, name: string): string | undefined {
  return headers.find(([one]) => one.toLowerCase() === name)?.[1];
}

const isOn =
  (...wire: readonly string[]) =>
  ({ without }: Shape): boolean =>
    !without.some((one) => wire.includes(one));

it.each(wires)('on %s at least sixty shapes are stored, each of its own', (_name, ...wire) => {
  const names = [...shapes, ...compressed].filter(isOn(...wire)).map(({ name }) => name);
  expect(names.length).toBeGreaterThanOrEqual(60);
  expect(new Set(names).size).toBe(names.length);
});

describe.each(wires)('%s', (_name, platform, protocol) => {
  describe.each(['ttl', 'headers'] as const)("with freshness: '%s'", (freshness) => {
    describe.each([
      ['a hit is what the miss was, on the wire', shapes, false],
      ['a hit is what the miss was, compressed below the cache', compressed, true],
      ['what is not stored is sent as it is', refused, false],
    ])('%s', (_promise, table, compresses) => {
      const runs: Runs = new Map();
      let app: TestApplication;
      let client: WireClient;
      beforeAll(async () => {
        app = await startShapes(platform, {
          ...{ shapes: table, freshness, runs, compresses },
          http2: protocol === 'http2',
        });
        client = (protocol === 'http2' ? http2 : http1)(app.port);
      });
      afterAll(() => {
        client.close();
        return app.close();
      });
      const present = table
        .map((shape, index) => [shape.name, shape, index] as const)
        .filter(([, shape]) => isOn(platform, protocol)(shape));

      it.each(present)('%s', async (_shape, shape, index) => {
        const request = { path: `/${index}`, lines: shape.ask };
        const first = await client.ask(request);
        const second = await client.ask(request);
        const third = await client.ask(request);
        expect(first.status).toBe(shape.status);
        expect(essence(second, first)).toEqual(essence(first, first));
        expect(essence(third, first)).toEqual(essence(first, first));
        expect(runs.get(shape.name)).toBe(shape.isCacheable ? 1 : 3);
        for (const answer of [second, third])
          expect(/; hit\b/.test(fieldOf(answer, 'cache-status') ?? '')).toBe(shape.isCacheable);
      });
    });
  });
});
