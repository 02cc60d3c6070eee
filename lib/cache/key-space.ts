import { decodeText } from '../keys/scalars.js';
import { createHash } from 'node:crypto';
import { encodeValue } from '../keys/index.js';
import { CacheConfigurationError } from '../common/errors.js';

/**
 * How entries and tags are named in a store. Everything an application writes begins with its namespace; entries have
 * `:e:` after it, generations `:g:`. Versions stand in entry keys only, so that a worker running another build of the
 * application invalidates what this one cached.
 */
export class KeySpace {
  readonly entries: string;
  /** Carried by every entry: bumping it is `clear()`. */
  readonly allTag: string;
  readonly #tags: string;
  readonly #build: string;

  constructor(
    readonly namespace: string,
    version: string | undefined,
  ) {
    assertNamespace(namespace);
    this.entries = `${namespace}:e:`;
    this.#tags = `${namespace}:g:`;
    this.allTag = `${this.#tags}all`;
    this.#build = `${this.entries}${segment(version)}:`;
  }

  /**
   * What the entry keys of a method begin with.
   * @param version of its key constructor
   */
  entryPrefix(target: string, version?: string | number): string {
    return `${this.#build}${segment(target)}:${segment(version)}:`;
  }

  /** Whether a key holds an entry of this method that another version of its key constructor wrote, in any build. */
  isOtherVersion(key: string, target: string, version?: string | number): boolean {
    const [, name, keyVersion] = key.slice(this.entries.length).split(':', 3);
    return name === segment(target) && keyVersion !== segment(version);
  }

  namespaceTag(keyNamespace: string): string {
    return `${this.#tags}n:${segment(keyNamespace)}`;
  }

  methodTag(target: string): string {
    return `${this.#tags}m:${segment(target)}`;
  }

  /** Partition and key tags of a method begin with these. */
  partitionPrefix(target: string): string {
    return `${this.#tags}p:${segment(target)}:`;
  }

  keyTagPrefix(target: string): string {
    return `${this.#tags}k:${segment(target)}:`;
  }

  /** A tag that covers another one and more: a method's for its partitions and keys, the whole cache's for the rest. */
  coarser(tag: string): string | undefined {
    if (tag === this.allTag || !tag.startsWith(this.#tags)) return undefined;
    const [kind, name] = tag.slice(this.#tags.length).split(':', 2);
    const isKeyedByHand = name === segment('');
    return (kind === 'p' || kind === 'k') && !isKeyedByHand ? `${this.#tags}m:${name}` : this.allTag;
  }

  /** The cached method that all entries with a tag are of, where there is one. */
  methodOf(tag: string): string | undefined {
    const [kind, name = ''] = tag.slice(this.#tags.length).split(':', 2);
    const isOfMethod = tag.startsWith(this.#tags) && (kind === 'm' || kind === 'p' || kind === 'k');
    return isOfMethod && name !== segment('') ? readSegment(name) : undefined;
  }

  /** Where the rules stand that processes tell each other. It is no entry: `clear()` leaves it. */
  get manifestKey(): string {
    return `${this.#tags}rules:1`;
  }

  /** Renewed when that has changed. */
  get manifestTag(): string {
    return `${this.#tags}rules`;
  }

  /** Tags of the user's own begin with this. */
  get userTagPrefix(): string {
    return `${this.#tags}t:`;
  }

  userTag(name: string): string {
    return this.userTagPrefix + shortened(segment(name));
  }
}

/** Texts of the user's own are not longer in keys and tags. */
const MAX_LENGTH = 250;

/** A text of the user's as it stands at the end of keys and tags; where it is long its hash, which no other text looks like. */
export function encodeUserText(text: string): string {
  return shortened(encodeValue(text));
}

function shortened(text: string): string {
  return text.length <= MAX_LENGTH ? text : `#${createHash('sha256').update(text).digest('base64url')}`;
}

/** A part of a key that holds no colon of its own, so that parts never run into each other. */
function segment(text: string | number | undefined): string {
  return text === undefined ? '' : encodeURIComponent(encodeValue(text));
}

/** The text of a segment; others may have written it. */
function readSegment(written: string): string | undefined {
  try {
    return decodeText(decodeURIComponent(written));
  } catch {
    return undefined;
  }
}

function assertNamespace(namespace: unknown): void {
  const valid =
    typeof namespace === 'string' &&
    /^[^:\s\p{C}{}]+(:[^:\s\p{C}{}]+)*$/u.test(namespace) &&
    namespace.split(':').every((part) => part !== 'e' && part !== 'g');
  if (valid) return;
  throw new CacheConfigurationError(
    'CACHE_NAMESPACE',
    `RestflowCacheModule: namespace is ${JSON.stringify(namespace)}. Write any characters but spaces and braces, and ':' ` +
      `between parts, e.g. 'restflow' or 'shop:prod' ('e' and 'g' alone are taken as parts).`,
  );
}
