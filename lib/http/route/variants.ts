import { LRUCache } from 'lru-cache';
import type { Call } from '../../cache/engine/call.js';
import type { Clock } from '../../common/time.js';
import { CacheUsageError } from '../../common/errors.js';
import { createKeyHash, encodeValue } from '../../keys/index.js';
import type { InputRules } from '../inputs/input-rules.js';
import { headerInput, type RequestInput } from '../inputs/request-input.js';
import { CREDENTIAL_HEADERS, type RequestWatch, watchOf } from '../inputs/request-watch.js';

const MAX_KEYS = 10_000;

/** Maximum of inputs by which the answers of one key may vary. */
const MAX_INPUTS = 8;

/** Variants of one key that may be stored before one of them is read. */
const MAX_UNREAD = 100;

/** Longest value that a key contains as text; longer ones are hashed. Characters. */
const MAX_TEXT = 250;

/** After this time the count of unread variants begins again. Milliseconds. */
const UNREAD_MS = 60_000;

interface Remembered {
  readonly inputs: readonly RequestInput[];
  readonly unread: Set<string>;
  /** Time when the first of them was stored. */
  since: number;
}

const NOTHING_STORED = (): Remembered => ({ inputs: NONE, unread: new Set(), since: 0 });
const NONE: readonly RequestInput[] = [];

/** The inputs of one route that select between variants, in addition to those that each of its keys contains. */
export class RouteVariants {
  /**
   * Inputs by key: they are known only after a load has read them, or a response has named them in `Vary`. Forgetting them costs a load.
   */
  #remembered: LRUCache<string, Remembered> | undefined;
  /** Encoded lists of the headers that upstream code reads; there are few. */
  readonly #upstream = new Map<string, readonly RequestInput[]>();

  constructor(
    /** Inputs that the route declares, sorted. */
    private readonly declared: readonly RequestInput[],
    private readonly rules: InputRules,
    /** True if inputs that upstream code read count: not if the answer is the same for every user. */
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
   * The suffix of a key that selects its variant.
   * @throws CacheUsageError if there are more inputs than a key may vary by
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
   * Adds inputs to the key of a call, and remembers them for the next request. Inputs that other loads have added since the key was made
   * are added too.
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

  /** The list of inputs that loads have shown for the key of a call: another list after they have shown more. */
  shown(call: Call): readonly RequestInput[] {
    return this.#remembered?.peek(baseOf(call))?.inputs ?? NONE;
  }

  /** True if inputs are remembered for the key of a call, whatever their values. */
  has(call: Call): boolean {
    return this.#remembered?.has(baseOf(call)) === true;
  }

  /** True if one more variant may be stored. Limits variants that no request reads. */
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

  /** Records that a variant was read. */
  read(call: Call): void {
    const remembered = this.#remembered?.get(baseOf(call));
    if (remembered !== undefined && remembered.unread.size > 0) remembered.unread.clear();
  }

  /** Made on first use, since it reserves its space at once and every cached route has one. */
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
    // Credentials are left out: requests with credentials bypass the cache, or their key identifies the user.
    return !CREDENTIAL_HEADERS.has(name) || (this.rules.hasOwnAuthentication && name !== 'cookie');
  }
}

/** The key of a call without the suffix of its variant. */
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
