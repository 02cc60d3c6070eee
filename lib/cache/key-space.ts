import { createHash } from 'node:crypto';
import { decodeText } from '../keys/scalars.js';
import { encodeValue } from '../keys/index.js';
import { CacheConfigurationError } from '../common/errors.js';

/**
 * Names of entries and tags in a store. All names of an application begin with its namespace, followed by `:e:` for entries and `:g:`
 * for generations. Only entry keys hold the application, its version and the fingerprint of a class, so that other applications and builds can
 * invalidate the entries of this one. They hold hashes of them: each read writes, hashes and compares the whole key.
 *
 * | entry key | `<namespace>:e:<method>:<application><build>:<key version>:<arguments>` |
 * |---|---|
 * | application | 8 characters |
 * | build | 12 characters, of the application, its version and the fingerprint of the class |
 */
export class KeySpace {
  readonly entries: string;
  /** Tag of every entry, which `clear()` bumps. */
  readonly allTag: string;
  readonly #tags: string;
  /** Hash of the application, as it begins in entry keys. */
  readonly #application: string;

  constructor(
    readonly namespace: string,
    /** Application that owns the entries. Part of entry keys only, not of tags. */
    private readonly application: string,
    private readonly version: string | undefined,
  ) {
    assertNamespace(namespace);
    this.entries = `${namespace}:e:`;
    this.#tags = `${namespace}:g:`;
    this.allTag = `${this.#tags}all`;
    this.#application = shortHash([application], APPLICATION_LENGTH);
  }

  /**
   * The beginning of a method's entry keys.
   * @param fingerprint of the code that makes its entries; empty for entries set by hand
   * @param version of its key constructor
   */
  entryPrefix(target: string, fingerprint = '', version?: string | number): string {
    const build = shortHash([this.application, this.version, fingerprint], BUILD_LENGTH);
    return `${this.entries}${segment(target)}:${this.#application}${build}:${segment(version)}:`;
  }

  /** True if a key of this method was written by another version of its key constructor, in any build of this application. */
  isOtherVersion(key: string, target: string, version?: string | number): boolean {
    const [name, code, keyVersion] = key.slice(this.entries.length).split(':', 3);
    const isOwn = name === segment(target) && code?.startsWith(this.#application) === true;
    return isOwn && keyVersion !== segment(version);
  }

  namespaceTag(keyNamespace: string): string {
    return `${this.#tags}n:${segment(keyNamespace)}`;
  }

  methodTag(target: string): string {
    return `${this.#tags}m:${segment(target)}`;
  }

  /** The begin of a method's partition tags. */
  partitionPrefix(target: string): string {
    return `${this.#tags}p:${segment(target)}:`;
  }

  keyTagPrefix(target: string): string {
    return `${this.#tags}k:${segment(target)}:`;
  }

  /** A coarser tag: of the method for its partitions and keys, of the whole cache for others. */
  coarser(tag: string): string | undefined {
    if (tag === this.allTag || !tag.startsWith(this.#tags)) return undefined;
    const [kind, name] = tag.slice(this.#tags.length).split(':', 2);
    const isKeyedByHand = name === segment('');
    return (kind === 'p' || kind === 'k') && !isKeyedByHand ? `${this.#tags}m:${name}` : this.allTag;
  }

  /** The method of all entries with a tag, if there is one. */
  methodOf(tag: string): string | undefined {
    const [kind, name = ''] = tag.slice(this.#tags.length).split(':', 2);
    const isOfMethod = tag.startsWith(this.#tags) && (kind === 'm' || kind === 'p' || kind === 'k');
    return isOfMethod && name !== segment('') ? readSegment(name) : undefined;
  }

  /** Key of the rules that processes exchange. Not an entry: `clear()` keeps it. */
  get manifestKey(): string {
    return `${this.#tags}rules:2`;
  }

  /** Bumped when the rules have changed. */
  get manifestTag(): string {
    return `${this.#tags}rules`;
  }

  /** Tag of every entry that depends on the tables which its load read. */
  get autoTag(): string {
    return `${this.#tags}auto`;
  }

  /** Carried by entries whose load read something that cannot be told: any change drops them. */
  get anyTableTag(): string {
    return `${this.#tags}d`;
  }

  /** @param name the last part of the table's name: `article` and `public.article` count as one table */
  tableTag(name: string): string {
    return `${this.#tags}d:${segment(name.toLowerCase())}`;
  }

  /** The begin of the user's tags. */
  get userTagPrefix(): string {
    return `${this.#tags}t:`;
  }

  userTag(name: string): string {
    return this.userTagPrefix + shortened(segment(name));
  }
}

/** Applications of one namespace are few. Characters, of six bits. */
const APPLICATION_LENGTH = 8;

/** 72 bits: builds are not made to collide. */
const BUILD_LENGTH = 12;

/** The beginning of a hash; base64url has no colon. */
function shortHash(parts: readonly (string | undefined)[], length: number): string {
  return createHash('sha256').update(encodeValue(parts)).digest('base64url').slice(0, length);
}

/** Longer texts of the user are hashed in keys and tags. Characters. */
const MAX_LENGTH = 250;

/** Encodes a text of the user for the end of a key or tag. The hash of a long one begins with `#`, as no encoded text does. */
export function encodeUserText(text: string): string {
  return shortened(encodeValue(text));
}

function shortened(text: string): string {
  return text.length <= MAX_LENGTH ? text : `#${createHash('sha256').update(text).digest('base64url')}`;
}

/** Encodes a part of a key, without colons, since these separate parts. */
function segment(text: string | number | undefined): string {
  return text === undefined ? '' : encodeURIComponent(encodeValue(text));
}

/** Inverse of {@link segment}; `undefined` for a part that it did not write. */
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
