import { isDeepStrictEqual } from 'node:util';
import type { DataSource } from 'typeorm';
import { randomNumbers } from '../../support/randomised.js';
import { truth } from './truth.js';
import { Article, Author, loads, Tag, type Views } from './views.js';
import { authorRow, MANNERS, OWN, SHARED, TAGS, type Client } from './writes.js';

const CLIENTS = 8;
const OPERATIONS = 50;
const READS_AFTER = 9;

export interface Figures {
  reads: number;
  hits: number;
  /** Reads that no write was under way beside: what they got must be what the database has. */
  judged: number;
  failedWrites: number;
}

interface Read {
  readonly view: keyof Views;
  readonly argument: number | string | undefined;
  /** Whose rows it shows; -1: everybody's. */
  readonly owner: number;
}

/** One random program: 50 operations of 8 clients at once. Throws for the first stale read. */
export class Program {
  readonly #clients: Client[] = [];
  /** Writes begun so far and under way, by whose rows they touch. */
  readonly #writes = { begun: new Map<number, number>(), open: new Map<number, number>() };
  readonly #log: string[] = [];
  readonly #reading = new Map<string, Set<{ loaded: boolean }>>();

  constructor(
    private readonly seed: number,
    private readonly dataSource: DataSource,
    private readonly cached: Views,
    private readonly database: DataSource,
    private readonly figures: Figures,
  ) {}

  async run(): Promise<void> {
    await this.#reset();
    await Promise.all(this.#clients.map((client) => this.#work(client)));
    await Promise.all(
      this.#clients.map(async (client) => {
        for (const read of this.#readsOf(client)) await this.#check(read);
      }),
    );
  }

  async #reset(): Promise<void> {
    await this.dataSource.query('TRUNCATE article, author, comment, tag, article_tags_tag RESTART IDENTITY');
    await this.dataSource.getRepository(Tag).insert([0, 1, 2].map((id) => ({ name: `tag-${id}` })));
    const numbers = Array.from({ length: CLIENTS }, (_, number) => number);
    // Ids begin at 1 again: two authors a client, three articles each.
    const authors = numbers.flatMap((number) => [0, 1].map((which) => authorRow({ number }, which, 'new')));
    const articles = numbers.flatMap((number) =>
      [1, 2, 3].map((which) => ({
        slug: `${number}-${which}`,
        title: '',
        text: '',
        authorId: number * 2 + (which % 2) + 1,
      })),
    );
    await this.dataSource.getRepository(Author).insert(authors);
    await this.dataSource.getRepository(Article).insert(articles);
    for (const number of numbers) {
      const next = randomNumbers(this.seed * CLIENTS + number);
      let words = 0;
      this.#clients.push({
        number,
        authors: [1, 2].map((which) => number * 2 + which),
        articles: [1, 2, 3].map((which) => number * 3 + which),
        pick: (from) => from[Math.floor(next() * from.length)]!,
        word: () => `${number}:${++words}`,
      });
    }
  }

  async #work(client: Client): Promise<void> {
    const mine = this.#readsOf(client);
    for (let turn = client.number; turn < OPERATIONS; turn += CLIENTS) {
      if (client.pick([true, false])) await this.#write(client);
      for (let i = 0; i < READS_AFTER; i++) await this.#check(client.pick(mine));
      await this.#check(client.pick(this.#readsOf(client.pick(this.#clients))));
    }
  }

  async #write(client: Client): Promise<void> {
    const shared = client.pick([0, 1, 2, 3, 4, 5, 6, 7]) === 0;
    const table = shared ? SHARED : OWN;
    const names = [0, 1, 2].map(() => client.pick(Object.keys(table)));
    const manner = client.pick(MANNERS.map((_, index) => index));
    this.#log.push(`client ${client.number}, manner ${manner}: ${names.join(', ')}`);
    const owner = shared ? -1 : client.number;
    count(this.#writes.begun, owner, 1);
    count(this.#writes.open, owner, 1);
    try {
      await MANNERS[manner]!(
        this.dataSource,
        names.map((name) => table[name]!),
        client,
      );
    } catch (error) {
      // Deadlocks and rows that are gone: the database decides, the cache has to follow.
      if (!/deadlock|violates|aborted|could not/.test(String(error))) throw error;
      this.figures.failedWrites++;
    } finally {
      count(this.#writes.open, owner, -1);
    }
  }

  #readsOf({ number: owner, articles, authors }: Client): Read[] {
    const all = (['article', 'comments'] as const).flatMap((view) =>
      articles.map((argument): Read => ({ view, argument, owner })),
    );
    const pages = (['byAuthor', 'drafts', 'authorPage'] as const).flatMap((view) =>
      authors.map((argument): Read => ({ view, argument, owner })),
    );
    const tag = `tag-${owner % TAGS}`;
    return [
      ...all,
      ...pages,
      { view: 'tagged', argument: tag, owner: -1 },
      { view: 'published', argument: undefined, owner: -1 },
      { view: 'front', argument: undefined, owner: -1 },
    ];
  }

  /** What is read must be what the database has, unless a write of those rows was under way meanwhile. */
  async #check(read: Read): Promise<void> {
    const before = this.#begun(read.owner);
    const quiet = this.#isQuiet(read.owner);
    const got = await this.#read(read);
    const has = await truth(this.database, read.view, read.argument);
    if (!quiet || this.#begun(read.owner) !== before) return;
    this.figures.judged++;
    if (isDeepStrictEqual(got, has)) return;
    throw new Error(
      [
        `stale: ${read.view}(${read.argument ?? ''}) of client ${read.owner}, program ${this.seed}`,
        `cached   ${JSON.stringify(got)}`,
        `database ${JSON.stringify(has)}`,
        ...this.#log,
      ].join('\n'),
    );
  }

  async #read(read: Read): Promise<unknown> {
    const key = `${read.view} ${read.argument}`;
    const beside = this.#reading.get(key) ?? new Set();
    this.#reading.set(key, beside);
    const others = [...beside];
    const load = { loaded: false };
    beside.add(load);
    try {
      return await loads.run(load, () => ask(this.cached, read));
    } finally {
      beside.delete(load);
      this.figures.reads++;
      // Who waits for the load of another has no hit.
      if (![load, ...others].some(({ loaded }) => loaded)) this.figures.hits++;
    }
  }

  #isQuiet(owner: number): boolean {
    return concerned(this.#writes.open, owner) === 0;
  }

  #begun(owner: number): number {
    return concerned(this.#writes.begun, owner);
  }
}

function ask(views: Views, { view, argument }: Read): Promise<unknown> {
  return (views[view] as (argument?: number | string) => Promise<unknown>).call(
    views,
    ...(argument === undefined ? [] : [argument]),
  );
}

function count<Key>(counts: Map<Key, number>, key: Key, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}

/** Writes of the owner's rows and of everybody's; all writes concern what shows everybody's rows. */
function concerned(counts: Map<number, number>, owner: number): number {
  if (owner >= 0) return (counts.get(owner) ?? 0) + (counts.get(-1) ?? 0);
  return [...counts.values()].reduce((sum, each) => sum + each, 0);
}
