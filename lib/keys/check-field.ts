import { ArgsKeyField } from './fields/args-key-field.js';
import { ConstantKeyField } from './fields/constant-key-field.js';
import { DtoKeyField } from './fields/dto-key-field.js';
import { EntityKeyField } from './fields/entity-key-field.js';
import type { KeyField } from './fields/key-field.js';
import {
  BodyKeyField,
  CookiesKeyField,
  HeadersKeyField,
  QueryParamsKeyField,
  RequestValueKeyField,
  RouteParamsKeyField,
} from './fields/request-key-fields.js';

const SWITCHES = ['partition', 'hashValue', 'sortLists', 'identity'];

const NONE: readonly string[] = [];

/** The fields of this library, and what they may be told besides what every field may. */
const OWN_OPTIONS = new Map<Function, readonly string[]>([
  [ArgsKeyField, ['path', 'normalizer', 'except']],
  [BodyKeyField, NONE],
  [ConstantKeyField, NONE],
  [CookiesKeyField, NONE],
  [DtoKeyField, NONE],
  [EntityKeyField, NONE],
  [HeadersKeyField, NONE],
  [QueryParamsKeyField, NONE],
  [RequestValueKeyField, NONE],
  [RouteParamsKeyField, NONE],
]);

/**
 * Checks the options of a field. Those of a class that is not of this library may be more than it knows.
 *
 * @param fail called with what is wrong and what to write instead
 */
export function checkFieldOptions(field: KeyField, fail: (problem: string) => never): void {
  const options: unknown = field.options;
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    fail(`has the options ${JSON.stringify(options)}. Write an object: { partition: true }.`);
  }
  const own = OWN_OPTIONS.get(field.constructor);
  for (const [name, value] of Object.entries(options as object)) {
    if (own !== undefined && !SWITCHES.includes(name) && !own.includes(name)) {
      fail(`has the unknown option ${name}. Known are: ${[...SWITCHES, ...own].join(', ')}.`);
    }
    if (SWITCHES.includes(name) && value !== undefined && typeof value !== 'boolean') {
      fail(`has { ${name}: ${JSON.stringify(value)} }. Write true or false.`);
    }
  }
}

/** Whether code of the user's runs where the field is read. */
export function runsUserCode(field: KeyField): boolean {
  return !OWN_OPTIONS.has(field.constructor) || 'normalizer' in field.options;
}
