import { encodeValue } from './canonical.js';
import {
  checkFieldOptions,
  DefaultKeyConstructor,
  fieldsOf,
  type KeyConstructor,
  type KeyConstructorInput,
  type KeyMeta,
  readMeta,
  ResponseCacheKeyConstructor,
  runsUserCode,
  toKeyConstructor,
} from './key-constructor.js';
import { CompiledKey } from './compiled-key.js';
import { KeyArguments } from './key-arguments.js';
import { type FieldContext, KeyField } from './fields/key-field.js';
import { createKeyHash } from './hash.js';
import { KeyDefinitionError } from './key-errors.js';
import type { KeyEnvironment, KeySettings, MethodShape } from './key.interface.js';
import { type BoundPart, KeySlot, KeyTemplate, tagHashOf } from './key-template.js';
import { PartitionSubsets, PartitionTags } from './partitions.js';

/**
 * A key constructor bound to a method, with its fields and names checked. Each application compiles it with its own settings.
 *
 * @example
 * ```ts
 * const plan = KeyPlan.bind(UserPayloadKey, method); // when the decorator runs, or at boot
 * const key = plan.compile(settings, { describeEntity }); // at boot
 * key.key({ args: [42] }); // user=42;v='1'
 * ```
 */
export class KeyPlan {
  /** `meta.namespace`. */
  readonly namespace: string | undefined;
  /** The names of the partition fields, sorted. */
  readonly partitionFields: readonly string[];
  /** True if the key identifies the user. */
  readonly hasIdentity: boolean;

  private constructor(
    readonly method: MethodShape,
    private readonly where: string,
    private readonly meta: KeyMeta,
    private readonly parts: readonly BoundPart[],
    private readonly environment: KeyEnvironment | undefined,
    private readonly runsUserCode: boolean,
  ) {
    this.namespace = meta.namespace;
    // A combination may name a member of keyContext, which is known at boot: those of fields alone are checked now.
    this.partitionFields = this.subsets(() => true).names;
    this.hasIdentity = parts.some((part) => part.identity === true);
    if (environment !== undefined) this.constants(environment); // checks what they need
  }

  /**
   * Binds a key constructor to a method.
   *
   * @param input a class, an instance, a record of fields or a function; default: all arguments, or, for a handler, all query
   *   parameters and each route parameter as a partition
   * @param method what is known of the method
   * @param environment what is known once the application has started; without it, fields that need it (EntityKeyField)
   *   are looked up when the plan is compiled
   * @throws {KeyDefinitionError} naming the class and the method, with what to write instead
   */
  static bind(
    input: KeyConstructorInput | undefined,
    method: MethodShape,
    environment?: KeyEnvironment,
  ): KeyPlan {
    const place = `${method.className}.${method.methodName}`;
    const keyConstructor = toKeyConstructor(input ?? defaultFor(method), place);
    const where = `${place}: ${keyConstructor.constructor.name || 'the key constructor'}`;
    const refuse = (problem: string): never => {
      throw new KeyDefinitionError(`${where}: ${problem}`);
    };
    const fields = namedFields(keyConstructor, refuse);
    if (fields.size === 0) assertMeansNone(keyConstructor, refuse);
    return new KeyPlan(
      method,
      where,
      readMeta(keyConstructor, refuse),
      bindFields(fields, method, refuse),
      environment,
      [...fields.values()].some(runsUserCode),
    );
  }

  /**
   * Compiles the key for calls.
   *
   * @param settings the application's
   * @param environment what is known once the application has started; default: what the plan was bound with
   * @throws {KeyDefinitionError} if a field does not find what it needs, or the hash algorithm is unknown
   */
  compile(settings: KeySettings, environment: KeyEnvironment = this.environment ?? {}): CompiledKey {
    const { meta, where, parts } = this;
    const hash = createKeyHash(settings.keyHashAlgorithm);
    const tagHash = tagHashOf(settings.keyHashAlgorithm, hash);
    const constants = this.constants(environment);
    const compiled = parts.map((part) => {
      const slot = new KeySlot(part, hash, tagHash);
      const isConstant = constants.has(part);
      return {
        isPartition: part.partition,
        isIdentity: part.identity === true && !isConstant,
        name: part.name,
        value: isConstant ? slot.write(constants.get(part)) : slot,
        writer: { slot, constant: isConstant ? slot.writeCoarse(constants.get(part)) : undefined },
      };
    });
    const partition = compiled.filter((part) => part.isPartition);
    return new CompiledKey({
      partition: new KeyTemplate(partition),
      rest: new KeyTemplate(compiled.filter((part) => !part.isPartition)),
      tags: new PartitionTags(
        this.subsets(settings.isContextMember),
        partition.map((part) => part.writer),
      ),
      meta,
      hash,
      maxLength: meta.maxKeySuffixLength ?? settings.maxKeySuffixLength,
      identities: compiled.filter((part) => part.isIdentity).map((part) => part.writer.slot),
      readsBody: parts.some((part) => part.readsBody === true),
      runsUserCode: this.runsUserCode,
      holds: parts.flatMap((part) => part.holds ?? []),
      arguments: new KeyArguments(parts, this.method.parameters),
      where,
    });
  }

  /** New for each application, which adds the combinations of its rules. */
  private subsets(isContextMember?: (name: string) => boolean): PartitionSubsets {
    const partition = this.parts.filter((part) => part.partition);
    return new PartitionSubsets(partition, this.meta.partitions ?? [], this.where, isContextMember);
  }

  /** The constants, checked to be encodable. */
  private constants(environment: KeyEnvironment): ReadonlyMap<BoundPart, unknown> {
    const constants = new Map<BoundPart, unknown>();
    for (const part of this.parts) {
      if (part.constant === undefined) continue;
      const value = part.constant(environment);
      try {
        encodeValue(value);
      } catch (error) {
        throw new KeyDefinitionError(
          `${this.where}: the constant "${part.name}" has no encoding: ${(error as Error).message}`,
        );
      }
      constants.set(part, value);
    }
    return constants;
  }
}

function defaultFor(method: MethodShape): KeyConstructorInput {
  return method.kind === 'response' ? ResponseCacheKeyConstructor : DefaultKeyConstructor;
}

type Refuse = (problem: string) => never;

function namedFields(keyConstructor: KeyConstructor, refuse: Refuse): ReadonlyMap<string, KeyField> {
  return fieldsOf(keyConstructor, (property, value) =>
    refuse(
      `the property "${property}" is ${typeof value === 'function' ? 'a function' : JSON.stringify(value)}, not a key field. ` +
        `Write ${property} = new ArgsKeyField('${property}'), or move it out of the key constructor.`,
    ),
  );
}

/** A class without fields gives all calls one key. Fails if it has static fields or getters, which are no fields of its instances. */
function assertMeansNone({ constructor }: KeyConstructor, refuse: Refuse): void {
  const inStatic = Object.entries(constructor).find(
    ([, value]: [string, unknown]) => value instanceof KeyField,
  );
  const misplaced = inStatic?.[0] ?? getterOf(constructor);
  if (misplaced === undefined) return;
  refuse(
    `"${misplaced}" is ${inStatic === undefined ? 'a getter' : 'static'}, so that it is not a field, and all calls would share one value. ` +
      `Write ${misplaced} = new …KeyField(…) as a property; where one value for all is meant, keyConstructor: {}.`,
  );
}

function getterOf({ prototype }: Function): string | undefined {
  const members = Object.entries(Object.getOwnPropertyDescriptors(prototype as object));
  return members.find(([, { get }]) => get !== undefined)?.[0];
}

/** Binds all fields. Parts are sorted by name, so that the order of declarations makes no difference. */
function bindFields(
  fields: ReadonlyMap<string, KeyField>,
  method: MethodShape,
  refuse: Refuse,
): readonly BoundPart[] {
  const parts: BoundPart[] = [];
  for (const [field, definition] of fields) {
    const context: FieldContext = {
      field,
      method,
      fail: (problem) => refuse(`the key field "${field}" ${problem}`),
    };
    checkFieldOptions(definition, context.fail);
    const { partition = false, hashValue = false, sortLists = false, identity } = definition.options;
    for (const part of definition.bind(context)) {
      parts.push({
        ...part,
        partition: partition && part.undeclared !== true,
        identity: identity ?? part.identity ?? false,
        hashValue,
        sortLists,
      });
    }
  }
  parts.sort((one, other) => (one.name < other.name ? -1 : 1));
  const twin = parts.find((part, index) => part.name === parts[index + 1]?.name);
  if (twin === undefined) return parts;
  return refuse(
    `two ${twin.partition ? 'partition fields' : 'fields'} write "${twin.name}" into the key. Rename one, or name its values one ` +
      `by one in fields of their own.`,
  );
}
