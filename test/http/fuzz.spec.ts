import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MemoryStore } from '../../lib/stores/memory-store.js';
import { announce, randomNumbers, seed, soaked } from '../support/randomised.js';
import { PrivatePages, PublicPages } from './fuzz/pages.js';
import { RequestGenerator, type FuzzedRequest } from './fuzz/requests.js';
import { platforms, start, type PlatformName, type TestApplication } from './support/application.js';
import { RawConnection, type RawAnswer } from './support/connection.js';
import { sessions } from './support/sessions.js';

const REQUESTS = soaked(200_000);
/** At one time. */
const CLIENTS = 24;
/** Of how many one is compared with the application that caches nothing. */
const COMPARED = 4;

const MAX_BYTES = 1024 * 1024;
const MAX_ENTRIES = 2000;
/** Far below what the answers to all of these requests are, and above what a run leaves behind. */
const MAX_GROWTH = 64 * 1024 * 1024;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function memoryInUse(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function startPages(platform: PlatformName, cache: object): Promise<TestApplication> {
  return start(platform, {
    controllers: [PublicPages, PrivatePages],
    cache,
    setup: (app) => sessions(app, platform),
  });
}

/** What pages and sessions say where there are no credentials. */
const NOBODY = new Set(['nobody', 'undefined']);

/** Everybody whose secret is in an answer. */
function seenIn({ head, body }: RawAnswer): readonly string[] {
  const text = head + body.toString('latin1');
  return [...text.matchAll(/secret of (\w+)|set-cookie: sid=(\w+)/gi)].map(
    ([, one, other]) => (one ?? other)!,
  );
}

const text = ({ bytes }: FuzzedRequest): string => JSON.stringify(bytes.toString('latin1').slice(0, 1500));
const essence = ({ status, body }: RawAnswer): string => `${status} ${body.toString('latin1')}`;

describe.each(platforms)('fuzzed requests on %s', (platform) => {
  const store = new MemoryStore({ maxBytes: MAX_BYTES, maxEntries: MAX_ENTRIES });
  const generator = new RequestGenerator(randomNumbers(seed));
  const findings: string[] = [];
  const statuses = new Map<string, number>();
  let cached: TestApplication;
  let uncached: TestApplication;
  let growth = 0;

  /** Asks the one application, and where in doubt the other. */
  async function ask(request: FuzzedRequest, turn: number, to: readonly RawConnection[]): Promise<void> {
    const answer = await to[0]!.ask(request.bytes, request.method);
    const strangers = seenIn(answer).filter((user) => !NOBODY.has(user) && !request.users.has(user));
    if (strangers.length > 0) findings.push(`${strangers.join()} seen by ${text(request)}`);
    count(answer);
    const isCompared = request.isPlain && turn % COMPARED === 0;
    const isSuspect = answer.status === 0 || answer.status >= 500;
    if (!isCompared && !isSuspect) return;
    const wanted = await to[1]!.ask(request.bytes, request.method);
    if (isSuspect && wanted.status !== answer.status && !isOnlyIfCached(request, answer))
      findings.push(`${answer.status}, not ${wanted.status}, for ${text(request)}`);
    if (isCompared && essence(answer) !== essence(wanted))
      findings.push(`${essence(answer)}, not ${essence(wanted)}, for ${text(request)}`);
  }

  function count({ head }: RawAnswer): void {
    const status = /\nx-cache-status: (\w+)/i.exec(head)?.[1];
    if (status !== undefined) statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }

  /** RFC 9111 §5.2.1.7: what a cache says that has nothing. */
  function isOnlyIfCached({ bytes }: FuzzedRequest, { status }: RawAnswer): boolean {
    return status === 504 && bytes.includes('only-if-cached');
  }

  async function run(from: number, to: number): Promise<void> {
    let turn = from;
    const client = async (): Promise<void> => {
      const connections = [new RawConnection(cached.port), new RawConnection(uncached.port)];
      while (turn < to && findings.length < 5) {
        turn++;
        // Things get stale, and are dropped.
        if (turn % 100 === 0) cached.clock.advance(1);
        await ask(generator.next(), turn, connections);
      }
      for (const connection of connections) connection.close();
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
  }

  beforeAll(async () => {
    announce(`fuzzed requests on ${platform}`, REQUESTS);
    cached = await startPages(platform, { store });
    uncached = await startPages(platform, { enabled: false });
    await run(0, REQUESTS / 2);
    const before = memoryInUse();
    await run(REQUESTS / 2, REQUESTS);
    growth = memoryInUse() - before;
    if (process.env['SOAK'] === '1')
      process.stderr.write(`${JSON.stringify([...statuses])}, grown by ${growth} bytes\n`);
  }, 3_600_000);
  afterAll(async () => {
    await cached.close();
    await uncached.close();
  });

  it('get no private byte of others, and no error or other answer than without the cache', () => {
    expect(findings).toEqual([]);
  });

  it('are answered by the cache in every way', () => {
    const enough = Object.fromEntries(['HIT', 'MISS', 'STALE', 'BYPASS'].map((status) => [status, true]));
    for (const status of Object.keys(enough)) enough[status] = (statuses.get(status) ?? 0) > REQUESTS / 1000;
    expect(enough).toEqual({ HIT: true, MISS: true, STALE: true, BYPASS: true });
  });

  it('leave memory bounded', () => {
    expect(store.size.bytes).toBeLessThanOrEqual(MAX_BYTES);
    expect(store.size.entries).toBeLessThanOrEqual(MAX_ENTRIES);
    expect(growth).toBeLessThan(MAX_GROWTH);
  });

  it('leave a bounded log', () => {
    const ours = cached.complaints.filter((line) => /cache|stored/.test(line));
    expect(ours.length).toBeLessThan(200);
  });
});
