import { Pool } from 'undici';
import { startRecipe, type RunningRecipe } from './build.js';
import type { Draw } from './draw.js';
import type { Recipe } from './recipe.js';
import { drawVisitors, type Visit } from './visitors.js';

/** Headers that a cache may add or change, and those of the connection. */
const NOT_COMPARED =
  /^(date|connection|keep-alive|transfer-encoding|content-length|vary|etag|cache-control|cache-status|expires|age|x-cache.*|x-cached-at)$/;

interface Answer {
  /** Status, headers of the content, and body. */
  readonly essence: string;
  readonly cache: string | undefined;
}

/** An application and the connections to it. */
class Client {
  readonly #pool: Pool;

  constructor(readonly running: RunningRecipe) {
    this.#pool = new Pool(running.origin, { connections: 4 });
  }

  async ask({ path, headers }: Visit): Promise<Answer> {
    const {
      statusCode,
      headers: received,
      body,
    } = await this.#pool.request({ method: 'GET', path, headers });
    const text = await body.text();
    const kept = Object.entries(received).filter(([name]) => !NOT_COMPARED.test(name));
    return {
      essence: `${statusCode} ${JSON.stringify(Object.fromEntries(kept.sort()))} ${text}`,
      cache: received['x-cache-status'] as string | undefined,
    };
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
    await this.running.close();
  }
}

/** An answer of the cache that is not the application's. */
export interface Difference {
  readonly visit: Visit;
  readonly cache: string | undefined;
  readonly cached: string;
  readonly uncached: string;
  /** Earlier requests for the same path, the last first. */
  readonly before: readonly Visit[];
}

/**
 * Sends the schedule to the application with the cache and without; answers the first difference.
 *
 * @param isCached `false` compares two applications without a cache, which differ only where a recipe depends on chance or time
 */
export async function compare(
  recipe: Recipe,
  schedule: readonly Visit[][],
  isCached = true,
): Promise<Difference | undefined> {
  const cached = new Client(await startRecipe(recipe, isCached));
  const uncached = new Client(await startRecipe(recipe, false));
  const before: Visit[] = [];
  try {
    for (const burst of schedule) {
      // Nothing of the burst is waited for in between, so that its loads may be shared.
      const [got, wanted] = await Promise.all(
        [cached, uncached].map((client) => Promise.all(burst.map((visit) => client.ask(visit)))),
      );
      const at = burst.findIndex((_, one) => got![one]!.essence !== wanted![one]!.essence);
      before.unshift(...burst);
      if (at >= 0) {
        const visit = burst[at]!;
        return {
          visit,
          cache: got![at]!.cache,
          cached: got![at]!.essence,
          uncached: wanted![at]!.essence,
          before: before.filter((one) => one !== visit && one.path === visit.path),
        };
      }
      cached.running.clock.advance(1);
    }
    return undefined;
  } finally {
    await Promise.all([cached.close(), uncached.close()]);
  }
}

/** Share of hits that visitors of the plain page get. */
export async function hitRate(recipe: Recipe, visitors: number, draw: Draw): Promise<number> {
  const client = new Client(await startRecipe(recipe, true));
  try {
    let hits = 0;
    for (const visit of drawVisitors(visitors, draw)) if ((await client.ask(visit)).cache === 'HIT') hits++;
    return hits / visitors;
  } finally {
    await client.close();
  }
}
