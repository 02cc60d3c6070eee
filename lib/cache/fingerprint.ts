import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { dtoShape } from '../keys/fields/dto-key-field.js';
import { encodeValue } from '../keys/index.js';
import type { KeyEnvironment } from '../keys/key.interface.js';
import type { MethodDefinition } from './definition.js';
import { isNative } from './values/classes.js';

/** 96 bits: builds and applications are not made to collide. Characters. */
const LENGTH = 16;

/** The classes whose instances a method returns. */
export interface ReturnedShapes {
  /** Those that `type:` and rules name. */
  readonly classes: Iterable<Function | string>;
  readonly describeEntity: KeyEnvironment['describeEntity'];
}

/**
 * Tells the code that made an entry from any other: the source of the class and of those it extends, and the shapes of what the method
 * returns. What the class calls, and values it closes over, are out of sight. Source that a tool rewrote is other source.
 *
 * @param owner the class whose instances the method is called on
 */
export function fingerprintOf(definition: MethodDefinition, owner: Function, shapes: ReturnedShapes): string {
  const hash = createHash('sha256');
  // A method that other decorators wrapped in a class compiled to functions has its source here alone.
  for (const source of [...sourcesOf(owner), sourceOf(definition.original)]) add(hash, source);
  const returned: unknown = Reflect.getMetadata(
    'design:returntype',
    definition.declaredIn.prototype as object,
    definition.methodKey,
  );
  for (const type of new Set([returned, ...shapes.classes]))
    if (typeof type === 'string' || (typeof type === 'function' && !isNative(type)))
      add(hash, shapeOf(type, shapes.describeEntity?.(type)));
  return hash.digest('base64url').slice(0, LENGTH);
}

/** With its length, so that two lists of texts that read alike when joined differ. */
function add(hash: ReturnType<typeof createHash>, text: string): void {
  hash.update(`${text.length}:`).update(text);
}

/** Tells the shape of a class's instances from any other: stored instances bear it, so that another shape is never read as this one. */
export function fingerprintOfShape(type: Function, table: unknown): string {
  return createHash('sha256').update(shapeOf(type, table)).digest('base64url').slice(0, LENGTH);
}

/** @param type a class, or the name of an entity without one */
function shapeOf(type: Function | string, table: unknown): string {
  const known: unknown[] = [typeof type === 'string' ? type : sourcesOf(type)];
  if (typeof type === 'function') known.push(described(() => dtoShape(type as never, [], () => ({}))));
  if (table !== undefined && table !== null) known.push(described(() => table));
  return JSON.stringify(known);
}

/** Libraries may describe a property by what has no encoding. */
function described(shape: () => unknown): string {
  try {
    return encodeValue(shape());
  } catch {
    return '';
  }
}

/** The sources of a class and of those it extends, its own first. */
function sourcesOf(owner: Function): string[] {
  const sources: string[] = [];
  for (let level: unknown = owner; typeof level === 'function'; level = Object.getPrototypeOf(level)) {
    if (level === Function.prototype || isNative(level)) continue;
    const source = sourceOf(level);
    sources.push(source, ...(source.startsWith('class') ? [] : memberSources(level)));
  }
  return sources;
}

/** The methods of a class that was compiled to a function do not stand in its source. */
function memberSources({ prototype }: Function): string[] {
  const members = Object.entries(Object.getOwnPropertyDescriptors((prototype ?? {}) as object));
  return members.flatMap(([name, { value, get, set }]) =>
    [value, get, set]
      .filter((member) => typeof member === 'function' && name !== 'constructor')
      .map((member) => `${name} ${sourceOf(member as Function)}`),
  );
}

function sourceOf(code: Function): string {
  return Function.prototype.toString.call(code);
}
