import { describe, expect, it } from '@jest/globals';
import {
  ArgsKeyField,
  KeyDefinitionError,
  type KeyRequest,
  KeyPlan,
  type MethodShape,
} from '../../lib/keys/index.js';
import { compile, handler, keyOf, method, thrownBy } from './support.js';

describe('arguments of a call', () => {
  it('an absent argument and undefined are one input', () => {
    const every = keyOf({ args: new ArgsKeyField('*') }, method('a', 'b'));
    expect(every(1)).toBe(every(1, undefined));
    expect(every()).toBe(every(undefined, undefined));
    expect(every(1)).not.toBe(every(1, null));
    expect(every(undefined, 1)).not.toBe(every(1));
    const one = keyOf({ b: new ArgsKeyField('b') }, method('a', 'b'));
    expect(one(1)).toBe(one(1, undefined));
    expect(one(1)).not.toBe(one(1, 'undefined'));
  });

  it('all arguments hold those beyond the declared ones, where undefined counts', () => {
    const every = keyOf({ args: new ArgsKeyField('*') }, method('a'));
    expect(every(1, 2)).not.toBe(every(1));
    expect(every(1, undefined)).not.toBe(every(1));
    expect(every(undefined, 2)).not.toBe(every(2));
    expect(every(1, 2, 3)).not.toBe(every(1, 2));
    const partitioned = keyOf({ args: new ArgsKeyField('*', { partition: true }) }, method('a'));
    expect(partitioned(1, 2)).toBe('a=1;&args=(2)');
    expect(partitioned(1, 2)).not.toBe(partitioned(1));
  });

  it('a rest parameter is a list, by name, and one of its members, by index', () => {
    const shape: MethodShape = { ...method('a', 'rest'), restParameter: true };
    expect(keyOf({ rest: new ArgsKeyField('rest') }, shape)(1, 2, 3)).toBe(';rest=(2,3)');
    expect(keyOf({ rest: new ArgsKeyField('rest') }, shape)(1)).toBe(';rest=~');
    expect(keyOf({ third: new ArgsKeyField(2) }, shape)(1, 2, 3)).toBe(';third=3');
    const every = keyOf({ args: new ArgsKeyField('*') }, shape);
    expect(every(1)).not.toBe(every(1, undefined));
    expect(every(1, 2, 3)).not.toBe(every(1, [2, 3]));
    expect(every(1, 2)).not.toBe(every(1, 2, undefined));
  });

  it('exceptions are left out wherever they stand', () => {
    const key = keyOf(
      { args: new ArgsKeyField('*', { except: ['signal', 2] }) },
      method('a', 'signal', 'c', 'd'),
    );
    const { signal } = new AbortController();
    expect(key(1, signal, () => 1, 4)).toBe(';args=(1,4)');
    expect(key(1, signal)).toBe(';args=(1)');
  });

  it('several names are a value each, and a partition each where they are one', () => {
    expect(keyOf({ filter: new ArgsKeyField(['a', 'c']) }, method('a', 'b', 'c'))(1, 2, 3)).toBe(
      ';filter=@(a:1,c:3)',
    );
    const compiled = compile(
      { filter: new ArgsKeyField(['a', 2], { partition: true }) },
      method('a', 'b', 'c'),
    );
    expect(compiled.partitionFields).toEqual(['a', 'c']);
    expect(compiled.key({ args: [1, 2, 3] })).toBe('a=1&c=3;');
  });

  it('indexes mean arguments whatever their names', () => {
    expect(keyOf({ user: new ArgsKeyField(1) }, method('t', ''))(1, 2)).toBe(';user=2');
    expect(keyOf({ both: new ArgsKeyField([0, 1]) }, method('t', ''))(1, 2)).toBe(";both=@('1':2,t:1)");
  });

  it('path and normalizer give the value that stands in key and tag', () => {
    const email = new ArgsKeyField('user', {
      partition: true,
      path: 'contact.email',
      normalizer: (text: string) => text?.split('+')[0],
    });
    const compiled = compile({ email }, method('user'));
    expect(compiled.key({ args: [{ contact: { email: 'ann+x' } }] })).toBe('email=ann;');
    expect(compiled.partitionTags({ args: [{ contact: { email: 'Ann+x' } }] })).toEqual(['email=ann']);
    expect(compiled.key({ args: [{ contact: null }] })).toBe('email=~;');
    expect(compiled.key({ args: [] })).toBe('email=~;');
  });

  it('the order of lists counts unless sortLists says otherwise, in key and tag; the order of arguments always does', () => {
    const key = keyOf({ ids: new ArgsKeyField('ids') }, method('ids'));
    expect(key([2, 1])).not.toBe(key([1, 2]));
    const sorted = compile(
      { ids: new ArgsKeyField('ids', { sortLists: true, partition: true }) },
      method('ids'),
    );
    expect(sorted.key({ args: [[2, 1]] })).toBe(sorted.key({ args: [[1, 2]] }));
    expect(sorted.partitionTags({ args: [[2, 1]] })).toContain(sorted.partitionTag({ ids: ['1', '2'] }));
    for (const partition of [true, false]) {
      const every = keyOf({ args: new ArgsKeyField('*', { sortLists: true, partition }) }, method('a', 'b'));
      expect(every([2, 1], 3)).toBe(every([1, 2], 3));
      expect(every(1, 2)).not.toBe(every(2, 1));
      expect(every(1, 2, 3, 4)).not.toBe(every(1, 2, 4, 3));
    }
  });
});

describe('arguments of a handler are read raw from the request', () => {
  const shape = handler({
    parameters: ['id', 'tags', 'body', 'title', 'language', 'auth', 'request', 'user'],
    routeArguments: [
      { index: 0, source: 'param', name: 'id' },
      { index: 1, source: 'query', name: 'tag' },
      { index: 2, source: 'body' },
      { index: 3, source: 'body', name: 'title' },
      { index: 4, source: 'header', name: 'Accept-Language' },
      { index: 5, source: 'header', name: 'Authorization' },
      { index: 6, source: 'request' },
      { index: 7, source: 'other' },
    ],
  });
  const request: KeyRequest = {
    headers: { 'accept-language': 'de', authorization: 'Bearer x' },
    params: { id: '042' },
    query: { tag: ['b', 'a', 'b'] },
    body: { title: 'T', draft: true },
  };
  const key = (field: ArgsKeyField) => compile({ field }, shape).key({ args: [], request });

  it.each<[string | number | string[], string]>([
    ['id', ";field='042'"],
    ['tags', ';field=(b,a,b)'],
    ['body', ';field=@(draft:true,title:T)'],
    ['title', ';field=T'],
    ['language', ';field=de'],
    [0, ";field='042'"],
    [['id', 'tags'], ";field=@(id:'042',tags:(b,a,b))"],
  ])('%p', (names, expected) => {
    expect(key(new ArgsKeyField(names))).toBe(expected);
  });

  it('path and normalizer see what was sent', () => {
    expect(key(new ArgsKeyField('body', { path: 'title' }))).toBe(';field=T');
    expect(key(new ArgsKeyField('tags', { normalizer: (tags: string[]) => tags.length }))).toBe(';field=3');
  });

  it('a tag of a raw route parameter is found by the id it spells', () => {
    const compiled = compile({ id: new ArgsKeyField('id', { partition: true }) }, shape);
    expect(compiled.partitionTags({ args: [], request })).toEqual([compiled.partitionTag({ id: 42 })]);
    const tags = compile({ tags: new ArgsKeyField('tags', { partition: true }) }, shape);
    expect(tags.partitionTags({ args: [], request })).toContain(tags.partitionTag({ tags: ['A', 'b'] }));
  });

  it('the Authorization header tells users apart', () => {
    expect(compile({ field: new ArgsKeyField('auth') }, shape).hasIdentity).toBe(true);
    expect(compile({ field: new ArgsKeyField(['id', 'auth']) }, shape).hasIdentity).toBe(true);
    expect(compile({ field: new ArgsKeyField('id') }, shape).hasIdentity).toBe(false);
  });

  it.each<[string, string]>([
    ['request', 'reads the argument "request" of a handler, which is the request itself'],
    [
      'user',
      'reads the argument "user" of a handler, which is made by a decorator whose source is not known',
    ],
    ['*', 'reads the argument "request" of a handler'],
  ])('what no request holds is refused: %s', (names, message) => {
    const error = thrownBy(() => KeyPlan.bind({ field: new ArgsKeyField(names) }, shape));
    expect(error).toBeInstanceOf(KeyDefinitionError);
    expect(error.message).toContain('UsersController.get: InlineKeyConstructor: the key field "field" ');
    expect(error.message).toContain(message);
    expect(error.message).toContain(`write new RequestValueKeyField('user.id')`);
  });

  it('an argument without a decorator is refused', () => {
    const bare = handler({ parameters: ['id'] });
    expect(() => KeyPlan.bind({ id: new ArgsKeyField('id') }, bare)).toThrow(
      'of a handler, which has no parameter decorator',
    );
  });

  it('all arguments, without those that are excepted', () => {
    const all = new ArgsKeyField('*', { except: ['request', 'user', 'auth', 'body'] });
    expect(key(all)).toBe(";field=('042',(b,a,b),T,de)");
  });
});
