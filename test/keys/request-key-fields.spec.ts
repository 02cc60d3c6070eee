import { describe, expect, it } from '@jest/globals';
import {
  BodyKeyField,
  CookiesKeyField,
  HeadersKeyField,
  inlineKeyConstructor,
  KeyError,
  type KeyField,
  KeyPlan,
  type KeyRequest,
  QueryParamsKeyField,
  RequestValueKeyField,
  ResponseCacheKeyConstructor,
  RouteParamsKeyField,
} from '../../lib/keys/index.js';
import { compile, handler, method, thrownBy } from './support.js';

const route = handler({ routeParams: ['slug', 'id'] });

function keyFor(field: KeyField, request: Partial<KeyRequest>): string {
  return compile({ field }, route).key({ args: [], request: { headers: {}, ...request } });
}

describe('the default key of a response', () => {
  const compiled = compile(undefined, route);
  const request = { headers: {}, params: { slug: 'Hello', id: '7' }, query: { page: '2', tag: ['b', 'a'] } };

  it('holds all query parameters, and each route parameter as a partition of its own', () => {
    expect(compiled.key({ args: [], request })).toBe("id='7'&slug=Hello;query=@(page:'2',tag:(b,a))");
    expect(compiled.partitionFields).toEqual(['id', 'slug']);
    expect(compiled.partitionTags({ args: [], request })).toEqual(['id=7', 'slug=hello', 'id=7&slug=hello']);
    expect(compiled.partitionTag({ id: 7 })).toBe('id=7');
  });

  it('holds parameters that have no name in the pattern: wildcards', () => {
    const key = (params: unknown, names: string[]) =>
      compile(undefined, handler({ routeParams: names })).key({
        args: [],
        request: { headers: {}, params, query: {} },
      });
    expect(key({ '*': 'a/b' }, [])).toBe(";query=@()&route=@('%2A':'a/b')");
    expect(key({ 0: 'a', slug: 'b' }, ['slug'])).toBe("slug=b;query=@()&route=@('0':a)");
    expect(key({ '*': 'a' }, ['path'])).not.toBe(key({ '*': 'b' }, ['path']));
    expect(key({ '*': 'a' }, ['path'])).toMatch(/^path=a;/);
    const versioned = compile(
      inlineKeyConstructor({
        fields: { route: new RouteParamsKeyField('*', { partition: true }) },
        version: 2,
      }),
      handler({ routeParams: ['id'] }),
    );
    expect(versioned.key({ args: [], request: { headers: {}, params: { id: 'a' } } })).toBe('id=a;');
    expect(versioned.key({ args: [], request: { headers: {}, params: { id: 'a', x: 'b' } } })).toBe(
      'id=a;&route=@(x:b)',
    );
  });

  it('has no partition where the route has no parameters', () => {
    expect(compile(undefined, handler({ routeParams: [] })).partitionFields).toEqual([]);
  });

  it('is refused where no route is known', () => {
    expect(() => KeyPlan.bind(ResponseCacheKeyConstructor, method())).toThrow(
      `UsersService.find: ResponseCacheKeyConstructor: the key field "route" is a partition of all route parameters, but no route is known here`,
    );
  });
});

describe('query parameters', () => {
  it('keep the order and the number of repeated ones, unless lists are sorted', () => {
    const tag = new QueryParamsKeyField('tag');
    const keys = [
      ['b', 'a'],
      ['a', 'b'],
      ['a', 'a', 'b'],
    ].map((list) => keyFor(tag, { query: { tag: list } }));
    expect(new Set(keys).size).toBe(3);
    const sorted = new QueryParamsKeyField('tag', { sortLists: true });
    expect(keyFor(sorted, { query: { tag: ['b', 'a'] } })).toBe(
      keyFor(sorted, { query: { tag: ['a', 'b'] } }),
    );
    expect(keyFor(tag, { query: { tag: ['a', 'b'] } })).not.toBe(keyFor(tag, { query: { tag: 'a,b' } }));
    expect(keyFor(tag, { query: { tag: ['a'] } })).not.toBe(keyFor(tag, { query: { tag: 'a' } }));
    const tags = compile({ tag: new QueryParamsKeyField('tag', { partition: true }) }, route);
    const source = { args: [], request: { headers: {}, query: { tag: ['1', '1'] } } };
    expect(tags.partitionTags(source)).toEqual([tags.partitionTag({ tag: 1 })]);
  });

  it('their order makes no difference, their names do', () => {
    const all = new QueryParamsKeyField('*');
    expect(keyFor(all, { query: { a: '1', b: '2' } })).toBe(keyFor(all, { query: { b: '2', a: '1' } }));
    expect(keyFor(all, { query: { a: '1' } })).not.toBe(keyFor(all, { query: { b: '1' } }));
    expect(keyFor(all, { query: { 'a:1,b': '' } })).not.toBe(keyFor(all, { query: { a: "1,b:''" } }));
    expect(keyFor(all, { query: {} })).toBe(keyFor(all, { query: Object.create(null) }));
  });

  it('missing ones are missing, also under names that objects inherit', () => {
    expect(keyFor(new QueryParamsKeyField('page'), { query: {} })).toBe(';field=~');
    expect(keyFor(new QueryParamsKeyField('page'), {})).toBe(';field=~');
    expect(keyFor(new QueryParamsKeyField('constructor'), { query: {} })).toBe(';field=~');
    expect(keyFor(new QueryParamsKeyField('page'), { query: { page: '' } })).toBe(";field=''");
    expect(keyFor(new QueryParamsKeyField(['page', 'sort']), { query: { page: 'null' } })).toBe(
      ";field=@(page:'null')",
    );
  });

  it('are read from the URL if no parser has run', () => {
    expect(keyFor(new QueryParamsKeyField('tag'), { url: '/a?tag=b&x=1&tag=a' })).toBe(';field=(b,a)');
    expect(keyFor(new QueryParamsKeyField('*'), { url: '/a?x=1' })).toBe(";field=@(x:'1')");
    expect(keyFor(new QueryParamsKeyField('tag'), { url: '/a' })).toBe(';field=~');
  });

  it('as a partition must be named', () => {
    expect(() => KeyPlan.bind({ field: new QueryParamsKeyField('*', { partition: true }) }, route)).toThrow(
      `is a partition of all query, whose names are not known beforehand. Name them: new QueryParamsKeyField(['page'], { partition: true })`,
    );
    const compiled = compile(
      { field: new QueryParamsKeyField(['page', 'sort'], { partition: true }) },
      route,
    );
    expect(compiled.partitionFields).toEqual(['page', 'sort']);
  });
});

describe('route parameters', () => {
  it('one stands under the name of its field, and may be dropped by either name', () => {
    const compiled = compile({ article: new RouteParamsKeyField('slug', { partition: true }) }, route);
    expect(compiled.key({ args: [], request: { headers: {}, params: { slug: 'a' } } })).toBe('article=a;');
    expect(compiled.partitionTag({ slug: 'A' })).toBe(compiled.partitionTag({ article: 'a' }));
  });

  it('that the route does not have are refused', () => {
    expect(() => KeyPlan.bind({ field: new RouteParamsKeyField(['slug', 'slag']) }, route)).toThrow(
      'reads the route parameter "slag", but the route has "slug", "id". Write one of these names.',
    );
  });
});

describe('headers', () => {
  it('have names in any case', () => {
    expect(keyFor(new HeadersKeyField('Accept-Language'), { headers: { 'accept-language': 'de' } })).toBe(
      ';field=de',
    );
    expect(keyFor(new HeadersKeyField(['X-A', 'x-b']), { headers: { 'x-a': '1' } })).toBe(
      ";field=@(X-A:'1')",
    );
  });

  it('cannot all be read', () => {
    expect(() => KeyPlan.bind({ field: new HeadersKeyField('*') }, route)).toThrow('reads all headers');
    expect(() => KeyPlan.bind({ field: new CookiesKeyField('*') }, route)).toThrow('reads all cookies');
    expect(() => KeyPlan.bind({ field: new HeadersKeyField([]) }, route)).toThrow(
      `must name what it reads: new HeadersKeyField('name')`,
    );
  });
});

describe('cookies', () => {
  const sid = new CookiesKeyField('sid');

  it('are read where a parser put them, signed ones too', () => {
    expect(keyFor(sid, { cookies: { sid: 'a' }, headers: { cookie: 'sid=b' } })).toBe(';field=a');
    expect(keyFor(sid, { cookies: {}, signedCookies: { sid: 'c' } } as Partial<KeyRequest>)).toBe(';field=c');
    expect(keyFor(sid, { cookies: {} })).toBe(';field=~');
  });

  it('are parsed from the header where no parser ran', () => {
    expect(keyFor(sid, { headers: { cookie: 'a=1; sid=x%20=y ;b' } })).toBe(";field='x%2520%3Dy'");
    expect(keyFor(sid, { headers: { cookie: 'ssid=1' } })).toBe(';field=~');
    expect(keyFor(sid, {})).toBe(';field=~');
  });

  it('that are sent twice are another input than either', () => {
    const keys = ['sid=a; sid=b', 'sid=b; sid=a', 'sid=a', 'sid=b', 'sid=a,b'].map((cookie) =>
      keyFor(sid, { headers: { cookie } }),
    );
    expect(new Set(keys).size).toBe(5);
  });
});

describe('the body', () => {
  it('is one whatever the order of its members', () => {
    const both = [
      { a: 1, b: [2] },
      { b: [2], a: 1 },
    ].map((body) => keyFor(new BodyKeyField(), { body }));
    expect(both[0]).toBe(both[1]);
  });

  it('is another for every value, type and place', () => {
    const bodies = [undefined, null, '', 'a', {}, [], { a: 1 }, { a: '1' }, [1, 2], [2, 1], Buffer.from('a')];
    expect(new Set(bodies.map((body) => keyFor(new BodyKeyField(), { body }))).size).toBe(bodies.length);
  });

  it('may count by its members alone', () => {
    const field = new BodyKeyField(['a', 'b']);
    expect(keyFor(field, { body: { a: 1, c: 2 } })).toBe(keyFor(field, { body: { a: 1, c: 3 } }));
    expect(keyFor(field, { body: { a: 1 } })).not.toBe(keyFor(field, { body: { b: 1 } }));
  });

  it.each<[boolean, KeyField]>([
    [true, new BodyKeyField()],
    [true, new BodyKeyField('name')],
    [true, new BodyKeyField(['name'], { partition: true })],
    [true, new RequestValueKeyField('body.name')],
    [false, new RequestValueKeyField('bodyguard')],
    [false, new QueryParamsKeyField('*')],
  ])('counts as read by a field: %p %#', (expected, field) => {
    expect(compile({ field }, route).readsBody).toBe(expected);
  });
});

describe('which fields tell users apart', () => {
  it.each<[boolean, KeyField]>([
    [true, new RequestValueKeyField('user')],
    [true, new RequestValueKeyField('user.id')],
    [true, new RequestValueKeyField('session.userId')],
    [true, new RequestValueKeyField('headers.authorization')],
    [false, new RequestValueKeyField('users.id')],
    [false, new RequestValueKeyField('session.theme', { identity: false })],
    [false, new RequestValueKeyField('hostname')],
    [true, new RequestValueKeyField('tenant', { identity: true })],
    [true, new HeadersKeyField('Authorization')],
    [true, new HeadersKeyField(['x-a', 'authorization'])],
    [true, new HeadersKeyField(['x-a', 'authorization'], { partition: true })],
    [false, new HeadersKeyField('cookie')],
    [false, new CookiesKeyField('sid')],
    [true, new CookiesKeyField('sid', { identity: true })],
    [false, new QueryParamsKeyField('*')],
  ])('%p %#', (expected, field) => {
    expect(compile({ field }, route).hasIdentity).toBe(expected);
  });
});

describe('a value of the request', () => {
  it('is read along its path', () => {
    expect(keyFor(new RequestValueKeyField('user.roles.0'), { user: { roles: ['admin'] } })).toBe(
      ';field=admin',
    );
    expect(keyFor(new RequestValueKeyField('user.id'), {})).toBe(';field=~');
    expect(keyFor(new RequestValueKeyField('user.id'), { user: null })).toBe(';field=~');
  });

  it('must have a path', () => {
    expect(() => KeyPlan.bind({ field: new RequestValueKeyField('') }, route)).toThrow(
      `has the path "". Write property names joined by dots, such as 'user.id'.`,
    );
  });
});

describe('a cached method finds the request among its arguments', () => {
  const compiled = compile({ user: new RequestValueKeyField('user.id') }, method('a', 'context'));
  const request = { method: 'GET', headers: {}, user: { id: 7 } };

  it.each<[string, unknown[]]>([
    ['itself', [1, request]],
    ['as req of a context', [1, { req: request }]],
    ['as request of a context', [{ request }, 2]],
    ['before a context', [{ req: { ...request, user: { id: 8 } } }, request]],
  ])('%s', (_, args) => {
    expect(compiled.key({ args })).toBe(';user=7');
  });

  it('prefers the one it is given', () => {
    expect(compiled.key({ args: [request], request: { headers: {}, user: { id: 9 } } })).toBe(';user=9');
  });

  it('is an error if there is none', () => {
    const error = thrownBy(() => compiled.key({ args: [1, { headers: {} }, null] }));
    expect(error).toBeInstanceOf(KeyError);
    expect(error.code).toBe('KEY_NO_REQUEST');
    expect(error.message).toContain('none of the arguments is one');
  });
});
