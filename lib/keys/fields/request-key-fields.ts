import type { KeyRequest, KeySource, MethodShape } from '../key.interface.js';
import {
  findRequest,
  parsePath,
  pathsOf,
  readAll,
  readNamed,
  readOthers,
  readPath,
  type RequestPart,
} from './request-parts.js';
import {
  type FieldContext,
  type FieldPart,
  KeyField,
  type KeyFieldOptions,
  declareOptions,
} from './key-field.js';

/** One name, several names, or `'*'` for all. */
export type Names = string | readonly string[];

/**
 * Base class of the fields that read named values of a part of the request.
 *
 * - `'page'`: one value, under the field's own name;
 * - `['page', 'sort']`: a value per name; as a partition, each name is a partition field of its own;
 * - `'*'`: all names; as a partition, those that are known when the application starts.
 */
export abstract class NamedRequestKeyField extends KeyField {
  protected abstract readonly part: RequestPart;

  constructor(
    readonly names: Names,
    options?: KeyFieldOptions,
  ) {
    super(options);
  }

  override bind(context: FieldContext): readonly FieldPart[] {
    const { names } = this;
    if (names !== '*') this.checkNames(context);
    if (typeof names === 'string' && names !== '*')
      return [{ ...this.one(names), name: context.field, alias: names }];
    if (this.options.partition === true) {
      return (names === '*' ? this.knownNames(context) : (names as readonly string[])).map((name) =>
        this.one(name),
      );
    }
    const { part } = this;
    const readsBody = part === 'body';
    if (names === '*') {
      return [{ name: context.field, readsBody, read: (source) => readAll(findRequest(source), part) }];
    }
    const list = [...(names as readonly string[])];
    return [
      {
        name: context.field,
        readsBody,
        identity: list.some((name) => this.tellsUsersApart(name)),
        holds: list.flatMap((name) => pathsOf(part, name)),
        read: (source) => readList(findRequest(source), part, list),
      },
    ];
  }

  /** The names of a partition by `'*'`. */
  protected knownNames(context: FieldContext): readonly string[] {
    return context.fail(
      `is a partition of all ${this.part}, whose names are not known beforehand. Name them: ` +
        `new ${this.constructor.name}(['page'], { partition: true }).`,
    );
  }

  protected tellsUsersApart(_name: string): boolean {
    return false;
  }

  private one(name: string): FieldPart & { read: (source: KeySource) => unknown } {
    const { part } = this;
    return {
      name,
      identity: this.tellsUsersApart(name),
      set: part === 'query',
      readsBody: part === 'body',
      holds: pathsOf(part, name),
      read: (source) => readNamed(findRequest(source), part, name),
    };
  }

  private checkNames(context: FieldContext): void {
    const list = typeof this.names === 'string' ? [this.names] : this.names;
    if (
      Array.isArray(list) &&
      list.length > 0 &&
      list.every((name) => typeof name === 'string' && name !== '')
    )
      return;
    context.fail(
      `must name what it reads: new ${this.constructor.name}('name') or new ${this.constructor.name}(['name', 'other']).`,
    );
  }
}

function readList(request: KeyRequest, part: RequestPart, names: readonly string[]): unknown {
  const values = Object.create(null) as Record<string, unknown>;
  for (const name of names) {
    values[name] = readNamed(request, part, name);
  }
  return values;
}

/** Names of the parameters in the route's pattern. */
export function routeParamsOf(method: MethodShape): readonly string[] | undefined {
  return method.kind === 'response' ? method.routeParams : undefined;
}

/**
 * Query parameters. The order of repeated ones counts, as in `?sort=a&sort=b`, unless `sortLists` says otherwise; tags of partitions
 * take them for sets.
 *
 * @example
 * ```ts
 * page = new QueryParamsKeyField('page');
 * query = new QueryParamsKeyField('*');
 * ```
 * Source: drf-restflow, `QueryParamsKeyField`.
 * @publicApi
 */
export class QueryParamsKeyField extends NamedRequestKeyField {
  static {
    declareOptions(this);
  }

  protected override readonly part = 'query';

  /**
   * @param names one name, several, or `'*'` for all
   * @param options see {@link KeyFieldOptions}; a partition must name its parameters
   */
  constructor(names: Names, options?: KeyFieldOptions) {
    super(names, options);
  }
}

/**
 * Parameters of the route, raw, as the URL has them. As a partition, each is a partition field under its own name, so
 * that a rule may say `fieldMapping: { slug: 'slug' }`.
 *
 * @example
 * ```ts
 * route = new RouteParamsKeyField('*', { partition: true });
 * ```
 * Source: drf-restflow, `ResponseCacheKeyConstructor` (the view's URL kwargs).
 * @publicApi
 */
export class RouteParamsKeyField extends NamedRequestKeyField {
  static {
    declareOptions(this);
  }

  protected override readonly part = 'params';

  /**
   * @param names one name, several, or `'*'` for all that the route's pattern names
   * @param options see {@link KeyFieldOptions}
   */
  constructor(names: Names, options?: KeyFieldOptions) {
    super(names, options);
  }

  override bind(context: FieldContext): readonly FieldPart[] {
    const known = routeParamsOf(context.method);
    const unknown =
      known === undefined || this.names === '*'
        ? []
        : [this.names].flat().filter((name) => !known.includes(name));
    if (unknown.length > 0) {
      context.fail(
        `reads the route parameter "${unknown.join('", "')}", but the route has ${list(known!)}. Write one of these names.`,
      );
    }
    const parts = super.bind(context);
    if (this.names !== '*' || this.options.partition !== true || known === undefined) return parts;
    // Wildcards of the pattern have no name, and the key must hold their values.
    const read = (source: KeySource) => readOthers(findRequest(source), 'params', known);
    return [...parts, { name: context.field, undeclared: true, read }];
  }

  protected override knownNames(context: FieldContext): readonly string[] {
    return (
      routeParamsOf(context.method) ??
      context.fail(
        `is a partition of all route parameters, but no route is known here. Name them: ` +
          `new RouteParamsKeyField(['slug'], { partition: true }).`,
      )
    );
  }
}

/**
 * Request headers, by name in any case. `authorization` identifies the user.
 *
 * @example
 * ```ts
 * language = new HeadersKeyField('Accept-Language');
 * ```
 * @publicApi
 */
export class HeadersKeyField extends NamedRequestKeyField {
  static {
    declareOptions(this);
  }

  protected override readonly part = 'headers';

  /**
   * @param names one name or several; `'*'` is refused, since no two requests have the same headers
   * @param options see {@link KeyFieldOptions}; consider `hashValue` for secrets
   */
  constructor(names: Names, options?: KeyFieldOptions) {
    super(names, options);
  }

  override bind(context: FieldContext): readonly FieldPart[] {
    if (this.names === '*') {
      context.fail(
        `reads all headers, of which no two requests have the same. Name the headers that matter.`,
      );
    }
    return super.bind(context);
  }

  protected override tellsUsersApart(name: string): boolean {
    return name.toLowerCase() === 'authorization';
  }
}

/**
 * Cookies by name: from `request.cookies` (signed ones too) if a parser ran, otherwise from the Cookie header. No cookie identifies the
 * user by default: write `identity: true` for the one that does.
 *
 * @example
 * ```ts
 * session = new CookiesKeyField('sid', { identity: true, hashValue: true });
 * ```
 * @publicApi
 */
export class CookiesKeyField extends NamedRequestKeyField {
  static {
    declareOptions(this);
  }

  protected override readonly part = 'cookies';

  /**
   * @param names one name or several
   * @param options see {@link KeyFieldOptions}
   */
  constructor(names: Names, options?: KeyFieldOptions) {
    super(names, options);
  }

  override bind(context: FieldContext): readonly FieldPart[] {
    if (this.names === '*') {
      context.fail(
        `reads all cookies, most of which (analytics) differ for every client. Name the cookies that matter.`,
      );
    }
    return super.bind(context);
  }
}

/**
 * The parsed body of the request, or members of it, for handlers that cache methods other than GET. The order of members of objects
 * makes no difference.
 *
 * @example
 * ```ts
 * body = new BodyKeyField();
 * filter = new BodyKeyField(['query', 'variables']);
 * ```
 * Source: RFC 10008, the HTTP QUERY method: a cache key holds the content of the request.
 * @publicApi
 */
export class BodyKeyField extends NamedRequestKeyField {
  static {
    declareOptions(this);
  }

  protected override readonly part = 'body';

  /**
   * @param names one member, several, or `'*'` (the default) for the whole body
   * @param options see {@link KeyFieldOptions}; a partition must name its members
   */
  constructor(names: Names = '*', options?: KeyFieldOptions) {
    super(names, options);
  }
}

/** Parts of a request that identify the user. */
const IDENTITY_PATH = /^(?:user|session)(?:\.|$)|^headers\.authorization$/;

/**
 * Any value of the request, by a dotted path. A path that begins with `user` or `session`, or is `headers.authorization`, identifies the
 * user; write `identity: false` if it does not, as for `session.theme`.
 *
 * @example
 * ```ts
 * user = new RequestValueKeyField('user.id', { partition: true });
 * ```
 * @publicApi
 */
export class RequestValueKeyField extends KeyField {
  static {
    declareOptions(this);
  }

  /**
   * @param path property names joined by dots, e.g. `'user.id'`; a path that ends early reads as missing
   * @param options see {@link KeyFieldOptions}
   */
  constructor(
    readonly path: string,
    options?: KeyFieldOptions,
  ) {
    super(options);
  }

  override bind(context: FieldContext): readonly FieldPart[] {
    const steps =
      parsePath(this.path) ??
      context.fail(
        `has the path ${JSON.stringify(this.path)}. Write property names joined by dots, such as 'user.id'.`,
      );
    return [
      {
        name: context.field,
        identity: IDENTITY_PATH.test(this.path),
        readsBody: steps[0] === 'body',
        holds: [steps],
        read: (source) => readPath(findRequest(source), steps),
      },
    ];
  }
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'none' : `"${names.join('", "')}"`;
}
