// Public: one line for each key field.
export { ArgsKeyField, type ArgsKeyFieldOptions } from './args-key-field.js';
export { ConstantKeyField } from './simple-key-fields.js';
export { DtoKeyField } from './dto-key-field.js';
export { EntityKeyField } from './entity-key-field.js';
export { type FieldContext, type FieldPart, KeyField, type KeyFieldOptions } from './key-field.js';
export {
  BodyKeyField,
  CookiesKeyField,
  HeadersKeyField,
  QueryParamsKeyField,
  RequestValueKeyField,
  RouteParamsKeyField,
} from './request-key-fields.js';
