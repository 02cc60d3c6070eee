import { createHash } from 'node:crypto';
import { encodeValue } from '../canonical.js';
import {
  type FieldContext,
  type FieldPart,
  KeyField,
  type KeyFieldOptions,
  declareOptions,
} from './key-field.js';

/** A class with any constructor. */
export type DtoClass = abstract new (...args: never[]) => unknown;

/**
 * The shape of a DTO: names, types and validators of its properties, those of nested DTOs included. After a build that changes the DTO,
 * no payload of the old shape is read.
 *
 * Included are properties decorated by class-validator or @nestjs/swagger, and fields of `new Dto()`.
 *
 * @example
 * ```ts
 * shape = new DtoKeyField(UserDto);
 * ```
 * @publicApi
 */
export class DtoKeyField extends KeyField {
  static {
    declareOptions(this);
  }

  /**
   * @param dto the class
   * @param options see {@link KeyFieldOptions}
   * @throws {KeyDefinitionError} when the application starts, if no property of the class is known at run time
   */
  constructor(
    readonly dto: DtoClass,
    options?: KeyFieldOptions,
  ) {
    super(options);
  }

  override bind(context: FieldContext): readonly FieldPart[] {
    if (typeof this.dto !== 'function') {
      context.fail(
        `needs a class, but got ${String(this.dto)}. Write new DtoKeyField(UserDto); if the classes import each other, move one.`,
      );
    }
    return [{ name: context.field, constant: () => this.shape(context) }];
  }

  private shape(context: FieldContext): string {
    const shape = dtoShape(this.dto);
    if (Object.keys(shape).length === 0) {
      context.fail(
        `needs the properties of ${this.dto.name}, of which none is known at run time. Decorate them (class-validator, ` +
          `@ApiProperty) or give them initial values, or write a ConstantKeyField whose value you change with the DTO.`,
      );
    }
    return createHash('sha256').update(encodeValue(shape)).digest('base64url').slice(0, 22);
  }
}

/** Shape of one class: its properties, or a mark if the class contains itself. */
export type DtoShape = { readonly [property: string]: unknown } | string;

type InitialValues = (dto: DtoClass) => Readonly<Record<string, unknown>>;

/** Parts of class-validator, @nestjs/swagger and reflect-metadata that are read; they are never imported. */
interface Reflection {
  getMetadata?(key: string, target: object, property?: string): unknown;
}
interface ValidationRule {
  readonly propertyName?: unknown;
  readonly type?: unknown;
  readonly name?: unknown;
  readonly each?: unknown;
}
interface ValidationStorage {
  getTargetValidationMetadatas(
    target: DtoClass,
    schema: string,
    always: boolean,
    strictGroups: boolean,
  ): readonly ValidationRule[];
}
interface DocumentedProperty {
  readonly type?: unknown;
  readonly required?: unknown;
  readonly isArray?: unknown;
}

const BUILT_IN = new Set<unknown>([
  String,
  Number,
  Boolean,
  BigInt,
  Symbol,
  Object,
  Array,
  Date,
  Map,
  Set,
  Promise,
  Function,
  Buffer,
]);

/**
 * Describes the properties of a class that are known at run time: those decorated by class-validator or @nestjs/swagger, with their
 * design types and rules, and those that `new Dto()` initialises. The classes of properties are described likewise.
 *
 * @param initialOf reads the initial properties of an instance; by default from `new Dto()`
 */
export function dtoShape(
  dto: DtoClass,
  above: readonly unknown[] = [],
  initialOf: InitialValues = initialValues,
): DtoShape {
  if (above.includes(dto)) return `circular ${dto.name}`;
  const rules = validationRules(dto);
  const documented = documentedProperties(dto);
  const initial = initialOf(dto);
  const names = new Set([...rules.keys(), ...documented.keys(), ...Object.keys(initial)]);
  const shape: Record<string, unknown> = {};
  for (const name of names) {
    const document = documented.get(name);
    const designed = reflect('design:type', dto.prototype as object, name);
    shape[name] = {
      type: describeType(document?.type ?? designed ?? typeof initial[name], [...above, dto], initialOf),
      array: designed === Array || document?.isArray === true,
      required: document?.required,
      rules: new Set(rules.get(name)),
    };
  }
  return shape;
}

function describeType(type: unknown, above: readonly unknown[], initialOf: InitialValues): unknown {
  if (Array.isArray(type)) return [describeType(type[0], above, initialOf)];
  if (typeof type !== 'function') return String(type);
  if (BUILT_IN.has(type)) return type.name;
  if (type.prototype === undefined) return describeType(resolveLazily(type), above, initialOf); // () => Nested
  return { class: type.name, properties: dtoShape(type as DtoClass, above, initialOf) };
}

function resolveLazily(type: Function): unknown {
  try {
    return (type as () => unknown)();
  } catch {
    return type.name;
  }
}

/** class-validator keeps its storage on globalThis. */
function validationRules(dto: DtoClass): ReadonlyMap<string, readonly string[]> {
  const { classValidatorMetadataStorage } = globalThis as {
    classValidatorMetadataStorage?: ValidationStorage;
  };
  const rules = new Map<string, string[]>();
  for (const rule of classValidatorMetadataStorage?.getTargetValidationMetadatas(dto, '', true, false) ??
    []) {
    if (typeof rule.propertyName !== 'string') continue;
    const text = `${String(rule.name ?? rule.type)}${rule.each === true ? ' each' : ''}`;
    rules.set(rule.propertyName, [...(rules.get(rule.propertyName) ?? []), text]);
  }
  return rules;
}

/** @nestjs/swagger: its decorators, and the static method that its compiler plugin adds to each class of the chain. */
function documentedProperties(dto: DtoClass): ReadonlyMap<string, DocumentedProperty> {
  const properties = new Map<string, DocumentedProperty>();
  for (let level: unknown = dto; typeof level === 'function'; level = Object.getPrototypeOf(level)) {
    if (!Object.hasOwn(level, '_OPENAPI_METADATA_FACTORY')) continue;
    const factory = (level as { _OPENAPI_METADATA_FACTORY?: () => Record<string, DocumentedProperty> })
      ._OPENAPI_METADATA_FACTORY;
    for (const [name, property] of Object.entries(factory?.() ?? {})) {
      if (!properties.has(name)) properties.set(name, property);
    }
  }
  const decorated = reflect('swagger/apiModelPropertiesArray', dto.prototype as object);
  for (const entry of Array.isArray(decorated) ? decorated : []) {
    const name = String(entry).replace(/^:/, '');
    properties.set(
      name,
      (reflect('swagger/apiModelProperties', dto.prototype as object, name) ?? {}) as DocumentedProperty,
    );
  }
  return properties;
}

/** Fields with initialisers (with ES2022, all fields); none if the constructor needs arguments. */
function initialValues(dto: DtoClass): Readonly<Record<string, unknown>> {
  try {
    return new (dto as new () => Record<string, unknown>)();
  } catch {
    return {};
  }
}

function reflect(key: string, target: object, property?: string): unknown {
  return (Reflect as Reflection).getMetadata?.(key, target, property);
}
