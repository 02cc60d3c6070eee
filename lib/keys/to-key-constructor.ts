import { FunctionKeyField, type KeyFunction } from './fields/function-key-field.js';
import { inlineKeyConstructor, type KeyFields } from './inline-key-constructor.js';
import { KeyConstructor, type KeyConstructorClass } from './key-constructor.js';
import { KeyDefinitionError } from './key-errors.js';

/**
 * Everything that may be given as `keyConstructor`.
 *
 * @publicApi
 */
export type KeyConstructorInput = KeyConstructorClass | KeyConstructor | KeyFields | KeyFunction;

/**
 * Makes a key constructor of whatever was given as one.
 *
 * @param input a class, an instance, a plain record of fields, or a function of the arguments whose result is encoded
 *   canonically (on a controller handler it gets the request)
 * @param place the class and method it is for, for messages; default none
 * @throws {KeyDefinitionError} for anything else
 *
 * @example
 * ```ts
 * toKeyConstructor(UserPayloadKey);
 * toKeyConstructor({ user: new ArgsKeyField('userId') });
 * toKeyConstructor((userId: number, page: number) => [userId, page]);
 * ```
 */
export function toKeyConstructor(input: KeyConstructorInput, place = ''): KeyConstructor {
  const where = place === '' ? 'keyConstructor' : `${place}: keyConstructor`;
  if (input instanceof KeyConstructor) return input;
  if (typeof input === 'function') return fromFunction(input, where);
  if (isRecord(input)) return new (inlineKeyConstructor({ fields: input }))();
  throw new KeyDefinitionError(
    `${where}: ${describe(input)} is not a key constructor. Write a class that extends KeyConstructor, an instance of ` +
      `one, a record of fields such as { user: new ArgsKeyField('userId') }, or a function (...args) => unknown.`,
  );
}

/** A function whose body is a block: without a return in it there is no key. */
const HAS_BLOCK = /^(?:async\s+)?(?:function\b(?!.*\[native code\])|(?:\([^()]*\)|[\w$]+)\s*=>\s*\{)/s;

function fromFunction(input: KeyConstructorClass | KeyFunction, where: string): KeyConstructor {
  if (input.prototype instanceof KeyConstructor) return new (input as KeyConstructorClass)();
  const source = Function.prototype.toString.call(input);
  if (/^class\b/.test(source)) {
    throw new KeyDefinitionError(
      `${where}: the class ${input.name || '(anonymous)'} does not extend KeyConstructor. Write ` +
        `class ${input.name || 'UserKey'} extends KeyConstructor { … }.`,
    );
  }
  if (HAS_BLOCK.test(source) && !/\b(?:return|throw)\b/.test(source)) {
    throw new KeyDefinitionError(
      `${where}: the function returns nothing, so that all calls would share one value. Write (id) => [id], or, for an object, ` +
        `(id) => ({ id }) with parentheses.`,
    );
  }
  return new (inlineKeyConstructor({ fields: { key: new FunctionKeyField(input as KeyFunction) } }))();
}

function isRecord(input: unknown): input is KeyFields {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return false;
  const prototype: object | null = Object.getPrototypeOf(input);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function describe(input: unknown): string {
  return typeof input === 'object' && input !== null
    ? `an object of the class ${input.constructor?.name}`
    : String(input);
}
