import { MethodCounters } from '../observability/metrics.js';
import { anySpelling, type CompiledKey, type PartitionValues } from '../keys/index.js';
import type { KeyMemo } from '../keys/key-memo.js';
import type { KeyRequest } from '../keys/key.interface.js';
import type { CacheStore } from '../stores/store.interface.js';
import { type CachePolicy, type CacheTarget, Call, type CallContext } from './engine/call.js';
import type { MethodDefinition } from './definition.js';
import { CacheUsageError } from '../common/errors.js';
import { isTextList } from '../common/options.js';
import type { KeyContextReader } from './key-context.js';
import type { KeySpace } from './key-space.js';
import type { ValueHandling } from './values/isolation.js';

/** One decorated method of one concrete class in one application: its keys, tags and store. */
export class MethodTarget implements CacheTarget {
  /** True if the class is request-scoped: its instances may depend on anything in the request, so nothing is stored. */
  isScoped = false;
  writes = false;
  readonly methodTag: string;
  readonly counters: MethodCounters;
  readonly tableTags: KeySpace | undefined;
  readonly hasRules: boolean;
  /** Tags that every entry of the method carries. */
  readonly #commonTags: readonly string[];
  readonly #entryPrefix: string;
  readonly #keyMemo: KeyMemo | undefined;
  readonly #partitionPrefix: string;
  readonly #keyTagPrefix: string;

  constructor(
    readonly definition: MethodDefinition,
    /** The class of the instances; each subclass has another target. */
    readonly owner: Function,
    readonly name: string,
    readonly key: CompiledKey,
    readonly store: CacheStore,
    readonly policy: CachePolicy,
    readonly values: ValueHandling,
    private readonly space: KeySpace,
    private readonly keyContext: KeyContextReader | undefined,
    /** Tells the code that makes its entries from any other. */
    fingerprint: string,
    /** True if its entries depend on the tables that their loads read. */
    readonly isAuto: boolean,
  ) {
    this.tableTags = isAuto ? space : undefined;
    this.hasRules = definition.rules.length > 0;
    this.methodTag = space.methodTag(name);
    this.counters = new MethodCounters(name, space.namespace);
    this.#entryPrefix = space.entryPrefix(name, fingerprint, key.version);
    this.#keyMemo = key.createMemo();
    this.#partitionPrefix = space.partitionPrefix(name);
    this.#keyTagPrefix = space.keyTagPrefix(name);
    this.#commonTags = [
      space.allTag,
      this.methodTag,
      ...(isAuto ? [space.autoTag] : []),
      ...(key.namespace === undefined ? [] : [space.namespaceTag(key.namespace)]),
    ];
  }

  /**
   * A call with its key.
   * @param route the text before the arguments in a handler's key: method, host and, if there are several, path
   * @param ambient the context, where it was read already
   * @throws KeyError when the arguments cannot be encoded, and CacheUsageError for a context that cannot be read
   */
  call(
    self: unknown,
    args: readonly unknown[],
    request?: KeyRequest,
    route = '',
    ambient = this.keyContext === undefined ? undefined : this.#readContext(this.keyContext),
  ): Call {
    const call = new Call(this, self, args, request);
    if (ambient === undefined && request === undefined) return this.#withKnownKey(call, args);
    const before =
      ambient === undefined ? this.#entryPrefix + route : this.#entryPrefix + ambient.text + route;
    call.ambient = ambient;
    call.argumentsAt = before.length;
    call.key = before + this.key.key(call);
    return call;
  }

  #withKnownKey(call: Call, args: readonly unknown[]): Call {
    call.argumentsAt = this.#entryPrefix.length;
    const known = this.#keyMemo?.get(args);
    if (known !== undefined) {
      call.key = known;
      return call;
    }
    call.key = this.#entryPrefix + this.key.key(call);
    this.#keyMemo?.set(args, call.key);
    return call;
  }

  /** A call whose tags are asked for alone: those do not depend on the context, so it is not read. */
  tagged(args: readonly unknown[], request?: KeyRequest): Call {
    const call = new Call(this, undefined, args, request);
    call.key = this.key.key(call);
    return call;
  }

  #readContext(keyContext: KeyContextReader): CallContext {
    const ambient = keyContext.context();
    for (const name of this.key.contextNames) if (!ambient.members.has(name)) throw this.#lacks(name);
    return ambient;
  }

  #lacks(member: string): CacheUsageError {
    return new CacheUsageError(
      'CACHE_KEY_CONTEXT',
      `keyContext of RestflowCacheModule gave no '${member}', by which a rule or meta.partitions of ${this.name} drops: a change would ` +
        `not reach the entry. Return { ${member}: … } from it, null where there is none.`,
    );
  }

  /** A call whose key cannot be built: it can only bypass. */
  callWithoutKey(self: unknown, args: readonly unknown[], request?: KeyRequest): Call {
    return new Call(this, self, args, request);
  }

  tags(call: Call): readonly string[] {
    const tags = [...this.#commonTags, this.keyTag(call)];
    for (const partition of this.key.partitionTags(call, call.ambient?.members))
      tags.push(this.#partitionPrefix + partition);
    for (const tag of this.key.spellingTags(call, call.ambient?.members))
      tags.push(this.#partitionPrefix + tag);
    for (const name of this.#ownTags(call)) tags.push(this.space.userTag(name));
    return tags;
  }

  /** The tags of the user. @throws what the user's function throws, or CacheUsageError if it returns no list of texts */
  #ownTags(call: Call): readonly string[] {
    const { kind, tags } = this.definition;
    if (typeof tags !== 'function') return tags ?? [];
    // The arguments of a handler exist only after its pipes, so the function gets the request.
    const names: unknown = tags(...(kind === 'response' ? [call.request] : call.args));
    if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return names;
    throw new CacheUsageError(
      'CACHE_TAGS',
      `The tags function of ${this.name} did not return a list of texts. Write (id) => [\`user:\${id}\`].`,
    );
  }

  /** The tag of a single key, on all hosts, in all variants and contexts; without versions, so that every build hears of it. */
  keyTag(call: Call): string {
    return this.#keyTagPrefix + call.key.slice(call.argumentsAt, call.key.length - call.variant.length);
  }

  /** True if a key was written by an earlier or later version of the key constructor. */
  isOtherVersion(key: string): boolean {
    return this.space.isOtherVersion(key, this.name, this.key.version);
  }

  /** @throws PartitionError unless these fields are a declared combination of the key's partition fields */
  partitionTag(values: PartitionValues): string {
    return this.#partitionPrefix + this.key.partitionTag(values);
  }

  /** The tag of entries in whose key these partition fields have an unusual spelling. */
  anySpellingTag(fields: Iterable<string>): string {
    return this.#partitionPrefix + anySpelling(fields);
  }

  /** The tag of a call's partition by exactly these fields (or their arguments); `undefined` if entries carry no such tag. */
  partitionTagOf(call: Call, names: readonly string[]): string | undefined {
    const fields = new Set(names.map((name) => this.key.resolvePartitionField(name)));
    const at = this.key.subsets.findIndex(
      (subset) => subset.length === fields.size && subset.every((field) => fields.has(field)),
    );
    if (at < 0) return undefined;
    const tags = this.key.partitionTags(call);
    // With a list in a field there are more tags, one for each of its members.
    return tags.length === this.key.subsets.length ? this.#partitionPrefix + tags[at]! : undefined;
  }

  get learnsTags(): boolean {
    return this.definition.valueTags !== undefined;
  }

  valueTags(call: Call, value: unknown): readonly string[] {
    return userTagsOf(this.space, this.name, this.definition.valueTags?.(value, call.context) ?? []);
  }

  get verify(): MethodDefinition['verify'] {
    return this.definition.verify;
  }

  get topic(): string {
    return this.name;
  }

  load(call: Call): Promise<unknown> {
    if (this.definition.kind === 'response') {
      throw new CacheUsageError(
        'CACHE_HANDLER',
        `${this.name} is a controller handler: it runs only for a request.`,
      );
    }
    return this.definition.original.apply(call.self, call.args as never[]);
  }
}

/** The complete tags of what valueTags returned. @throws CacheUsageError unless that is a list of texts */
export function userTagsOf(space: KeySpace, name: string, names: readonly string[]): readonly string[] {
  if (isTextList(names)) return names.map((one) => space.userTag(one));
  throw new CacheUsageError(
    'CACHE_TAGS',
    `The valueTags function of ${name} did not return a list of texts. Write (orders) => orders.map(({ id }) => \`order:\${id}\`).`,
  );
}
