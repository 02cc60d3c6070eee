import { LRUCache } from 'lru-cache';
import type { Call } from '../../cache/engine/call.js';
import type { Clock } from '../../common/time.js';
import { CacheUsageError } from '../../common/errors.js';
import { createKeyHash, encodeValue } from '../../keys/index.js';
import type { InputRules } from '../inputs/input-rules.js';
import { headerInput, type RequestInput } from '../inputs/request-input.js';
import { CREDENTIAL_HEADERS, type RequestWatch, watchOf } from '../inputs/request-watch.js';

const MAX_KEYS = 10_000;

/** Inputs by which the answers of one key may vary. */
const MAX_INPUTS = 8;

/** Variants of one key that may be stored before one of them is read. */
const MAX_UNREAD = 100;

/** Longer values stand in keys as their hash. Characters. */
const MAX_TEXT = 250;

/** After so long nobody needs to have read them. Milliseconds. */
const UNREAD_MS = 60_000;

interface Remembered {
  readonly inputs: readonly RequestInput[];
  readonly unread: Set<string>;
  /** When the first of them was stored. */
  since: number;
}

const NOTHING_STORED = (): Remembered => ({ inputs: NONE, unread: new Set(), since: 0 });
const NONE: readonly RequestInput[] = [];

/** What chooses between the answers of one route, beside what every key of it holds. */
export class RouteVariants {
  /** What a load reads, and what a response says in `Vary`, is known only then. Forgetting it costs a load. */
  #remembered: LRUCache<string, Remembered> | undefined;
  /** Lists of headers that upstream code reads are few. */
  readonly #upstream = new Map<string, readonly RequestInput[]>();

  constructor(
    /** Those that the route declares, sorted. */
    private readonly declared: readonly RequestInput[],
    private readonly rules: InputRules,
    /** Whether what upstream code read counts: not where the answer is the same for all. */
    private readonly heedsUpstream: boolean,
    private readonly clock: Clock,
  ) {}

  /** @returns the inputs of a request whose key begins with `base`, sorted */
  inputsOf(base: string, watch: RequestWatch | undefined): readonly RequestInput[] {
    const remembered = this.#remembered?.get(base)?.inputs;
    const upstream = this.heedsUpstream && watch !== undefined ? this.#upstreamOf(watch) : NONE;
    if (remembered === undefined && upstream.length === 0) return this.declared;
    return merged(this.declared, remembered ?? NONE, upstream);
  }

  /**
   * The end of a key that chooses between its variants.
   * @throws CacheUsageError where more inputs choose than a key may vary by
   */
  choose(call: Call, inputs: readonly RequestInput[]): void {
    if (inputs.length === 0) return;
    if (inputs.length > MAX_INPUTS)
      throw new CacheUsageError(
        'CACHE_VARIANTS',
        `its answers vary by ${inputs.length} inputs, and may by ${MAX_INPUTS}: ${inputs.map(({ name }) => name).join(', ')}. Say ` +
          `which of them choose no answer: forRoot({ ignoreHeaders: [...], ignoreProperties: [...] }).`,
      );
    const request = call.request!;
    const watch = watchOf(request);
    const headers = watch?.values ?? request.headers;
    const text = encodeValue(inputs.map((input) => [input.label, input.keyValueOf(headers, watch?.objects)]));
    call.variant = `|${text.length > MAX_TEXT ? `#${hash(text)}` : text}`;
    call.key += call.variant;
  }

  /**
   * Makes the key of a call hold inputs too, and remembers them for the next request. The key may be older than what is remembered.
   */
  cover(call: Call, inputs: readonly RequestInput[]): 'covered' | 'moved' | 'too-many' {
    if (inputs.length === 0) return 'covered';
    const { key } = call;
    const base = baseOf(call);
    const remembered = this.#remembered?.get(base);
    const all = merged(remembered?.inputs ?? NONE, inputs);
    const watch = watchOf(call.request!);
    if (merged(all, this.inputsOf(base, watch)).length > MAX_INPUTS) return 'too-many';
    if (all.length !== remembered?.inputs.length)
      this.#remember(base, { ...(remembered ?? NOTHING_STORED()), inputs: all });
    call.key = base;
    call.variant = '';
    this.choose(call, this.inputsOf(base, watch));
    return call.key === key ? 'covered' : 'moved';
  }

  /** Whether inputs are remembered for the key of a call, whatever their values. */
  has(call: Call): boolean {
    return this.#remembered?.has(baseOf(call)) === true;
  }

  /** Whether one more variant may be stored: not where nobody reads them. */
  takes(call: Call): boolean {
    if (call.variant === '') return true;
    const base = baseOf(call);
    const remembered = this.#remembered?.get(base) ?? this.#remember(base, NOTHING_STORED());
    const { unread } = remembered;
    const now = this.clock.now();
    if (unread.size === 0 || now - remembered.since > UNREAD_MS) {
      unread.clear();
      remembered.since = now;
    }
    if (unread.size >= MAX_UNREAD && !unread.has(call.variant)) return false;
    unread.add(call.variant);
    return true;
  }

  /** A variant was read. */
  read(call: Call): void {
    const remembered = this.#remembered?.get(baseOf(call));
    if (remembered !== undefined && remembered.unread.size > 0) remembered.unread.clear();
  }

  /** Made when first needed: it reserves its space at once, and every cached route has its own. */
  #remember(base: string, remembered: Remembered): Remembered {
    this.#remembered ??= new LRUCache({ max: MAX_KEYS });
    this.#remembered.set(base, remembered);
    return remembered;
  }

  #upstreamOf(watch: RequestWatch): readonly RequestInput[] {
    const { upstream } = watch;
    if (upstream.length === 0) return NONE;
    const text = upstream.join();
    let inputs = this.#upstream.get(text);
    if (inputs === undefined) {
      inputs = upstream.filter((name) => this.#heeds(name)).map(headerInput);
      if (this.#upstream.size < 100) this.#upstream.set(text, inputs);
    }
    return inputs;
  }

  #heeds(name: string): boolean {
    if (this.rules.ignoredHeaders.has(name)) return false;
    // Requests with credentials bypass the cache, or their key says who asks.
    return !CREDENTIAL_HEADERS.has(name) || (this.rules.hasOwnAuthentication && name !== 'cookie');
  }
}

/** Without what chooses between variants. */
export function baseOf({ key, variant }: Call): string {
  return key.slice(0, key.length - variant.length);
}

function merged(...lists: readonly (readonly RequestInput[])[]): readonly RequestInput[] {
  const filled = lists.filter((list) => list.length > 0);
  if (filled.length < 2) return filled[0] ?? NONE;
  const byLabel = new Map<string, RequestInput>();
  for (const input of filled.flat()) if (!byLabel.has(input.label)) byLabel.set(input.label, input);
  return [...byLabel.values()].sort((one, other) => (one.label < other.label ? -1 : 1));
}

const hash = createKeyHash();
