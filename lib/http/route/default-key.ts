import {
  BodyKeyField,
  inlineKeyConstructor,
  type KeyConstructorInput,
  QueryParamsKeyField,
  ResponseCacheKeyConstructor,
  RouteParamsKeyField,
} from '../../keys/index.js';
import { hasBodies } from './cacheable-methods.js';
import type { ResponseOptions } from './response-options.js';
import { UriKeyConstructor } from './stored-uris.js';

/** The key of a handler that names none: what may choose between its answers, as its options say. */
export function defaultKeyOf({ freshness, query, methods }: ResponseOptions): KeyConstructorInput {
  if (freshness === 'headers') return UriKeyConstructor;
  if (query === undefined && !hasBodies(methods)) return ResponseCacheKeyConstructor;
  return inlineKeyConstructor({
    fields: {
      ...(hasBodies(methods) ? { body: new BodyKeyField() } : {}),
      query: query?.keyField() ?? new QueryParamsKeyField('*'),
      route: new RouteParamsKeyField('*', { partition: true }),
    },
  });
}
