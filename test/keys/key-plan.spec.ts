import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  ArgsKeyField,
  ConstantKeyField,
  DefaultKeyConstructor,
  inlineKeyConstructor,
  KeyConstructor,
  KeyDefinitionError,
  KeyField,
  type KeyMeta,
  KeyPlan,
  type KeySource,
  PartitionError,
  RequestValueKeyField,
  toKeyConstructor,
  UnencodableError,
} from '../../lib/keys/index.js';
import { always, compile, keyOf, method, settings, thrownBy } from './support.js';
import { encodable, plainForm } from './values.js';

class UserPayloadKey extends KeyConstructor {
  static readonly meta: KeyMeta = { namespace: 'users', version: 1 };
  user = new ArgsKeyField('userId', { partition: true });
  version = new ConstantKeyField('v', '1');
}

describe('a key shows what it was built from', () => {
  it('is readable if it is short', () => {
    const compiled = compile(UserPayloadKey, method('userId'));
    expect(compiled.key({ args: [42] })).toBe("user=42;v='1'");
    expect(compiled.namespace).toBe('users');
    expect(compiled.version).toBe(1);
    expect(compiled.partitionFields).toEqual(['user']);
    expect(compiled.hasIdentity).toBe(false);
  });

  it('contains its identifier and version, and tags do not contain the version', () => {
    const fields = { id: new ArgsKeyField('id') };
    const compiled = (meta: KeyMeta) => compile(inlineKeyConstructor({ fields, ...meta }), method('id'));
    expect(compiled({}).key({ args: [1] })).toBe(';id=1');
    expect(compiled({ version: 2 }).key({ args: [1] })).toBe(';id=1');
    expect(compiled({ version: 2 }).version).toBe(2);
    expect(compiled({ keyIdentifier: 'list', version: 'a b' }).key({ args: [1] })).toBe(';@list&id=1');
  });

  it('does not depend on the order in which fields are declared', () => {
    const [a, b] = [new ArgsKeyField('a'), new ArgsKeyField('b', { partition: true })];
    expect(keyOf({ a, b }, method('a', 'b'))(1, 2)).toBe(keyOf({ b, a }, method('a', 'b'))(1, 2));
  });

  it('is never truncated: if it is too long, first the rest is hashed, then all of it', () => {
    const fields = { id: new ArgsKeyField('id', { partition: true }), q: new ArgsKeyField('q') };
    const key = keyOf(inlineKeyConstructor({ fields, version: 3 }), method('id', 'q'), {
      maxKeySuffixLength: 80,
    });
    const digest = (text: string) => createHash('sha256').update(text).digest('base64url');
    const long = 'x'.repeat(100);
    expect(key(1, 'short')).toBe('id=1;q=short');
    expect(key(1, long)).toBe(`id=1;#${digest(`q=${long}`)}`);
    expect(key(long, 'short')).toBe(`#;#${digest(`id=${long};q=short`)}`);
    expect(key(1, `${long}y`)).not.toBe(key(1, long));
    expect(key(`${long}y`, 1)).not.toBe(key(long, 1));
  });

  it('is hashed beyond the length of meta, which overrides that of the module', () => {
    const fields = { q: new ArgsKeyField('q') };
    const key = keyOf(inlineKeyConstructor({ fields, maxKeySuffixLength: 50 }), method('q'));
    expect(key('x'.repeat(47))).toBe(`;q=${'x'.repeat(47)}`);
    expect(key('x'.repeat(48))).toMatch(/^;#[\w-]{43}$/);
    expect(keyOf({ q: new ArgsKeyField('q') }, method('q'))('x'.repeat(247))).toHaveLength(250);
    expect(keyOf({ q: new ArgsKeyField('q') }, method('q'))('x'.repeat(248))).toHaveLength(45);
  });

  it('is hashed with the algorithm or the function of the module', () => {
    const key = (keyHashAlgorithm: string | ((text: string) => string)) =>
      keyOf({ q: new ArgsKeyField('q') }, method('q'), { keyHashAlgorithm })('x'.repeat(300));
    expect(key('sha512')).toMatch(/^;#[\w-]{86}$/);
    expect(key((text) => `mine${text.length}`)).toBe(';#mine302');
    expect(() => key('md17')).toThrow(KeyDefinitionError);
  });

  it('contains only a hash of fields with hashValue', () => {
    const key = keyOf({ email: new ArgsKeyField('email', { hashValue: true }) }, method('email'));
    expect(key('a@b.c')).toMatch(/^;email=#[\w-]{43}$/);
    expect(key('a@b.c')).not.toBe(key('a@b.d'));
  });

  it('names field, path, class and method of a value that cannot be encoded', () => {
    const error = thrownBy(() => keyOf(undefined, method('id', 'manager'))(1, { close: () => 1 }));
    expect(error).toBeInstanceOf(UnencodableError);
    expect(error.path).toEqual(['args', '1', 'close']);
    expect(error.message).toMatch(
      /^UsersService\.find: DefaultKeyConstructor: the value at "args\.1\.close" is a function/,
    );
  });
});

describe('different calls never share a key', () => {
  it('whatever the arguments, in readable and in hashed keys', () => {
    const readable = keyOf(
      { a: new ArgsKeyField('a', { partition: true }), b: new ArgsKeyField('b') },
      method('a', 'b'),
      {
        maxKeySuffixLength: 1_000_000,
      },
    );
    const hashed = keyOf(
      { a: new ArgsKeyField('a', { partition: true }), b: new ArgsKeyField('b') },
      method('a', 'b'),
      {
        maxKeySuffixLength: 12,
      },
    );
    const every = keyOf(DefaultKeyConstructor, method('a', 'b'));
    const pair = fc.tuple(encodable, encodable);
    always<[[unknown, unknown], [unknown, unknown]]>(
      'equal keys, equal calls',
      [pair, pair],
      (one, other) => {
        const same = isDeepStrictEqual(plainForm(one), plainForm(other));
        for (const key of [readable, hashed, every]) expect(key(...one) === key(...other)).toBe(same);
      },
    );
    always<[[unknown, unknown], unknown]>(
      'values do not move between fields',
      [pair, encodable],
      ([one, other], third) => {
        fc.pre(!isDeepStrictEqual(plainForm(one), plainForm(other)));
        for (const key of [readable, hashed, every]) {
          expect(key(one, other)).not.toBe(key(other, one));
          expect(key(one, third)).not.toBe(key(other, third));
        }
      },
    );
  });

  it('whatever the names of members are', () => {
    const key = keyOf({ filter: new ArgsKeyField(['a', 'b']) }, method('a', 'b'));
    expect(key('x,b:y')).not.toBe(key('x', 'y'));
    expect(key({ b: 1 })).not.toBe(key(undefined, 1));
  });
});

describe('key constructors inherit', () => {
  class TenantKey extends UserPayloadKey {
    static override readonly meta: KeyMeta = { version: 2, partitions: [['tenant', 'user']] };
    tenant = new ArgsKeyField('tenantId', { partition: true });
  }

  it('fields, and meta member by member', () => {
    const compiled = compile(TenantKey, method('userId', 'tenantId'));
    expect(compiled.key({ args: [1, 2] })).toBe("tenant=2&user=1;v='1'");
    expect(compiled.namespace).toBe('users');
    expect(compile(UserPayloadKey, method('userId')).key({ args: [1] })).toBe("user=1;v='1'");
  });

  it('a field of the same name replaces the inherited one, and undefined removes it', () => {
    class Renamed extends UserPayloadKey {
      override user = new ArgsKeyField('id', { partition: true });
      override version = undefined as never;
    }
    expect(keyOf(Renamed, method('id'))(7)).toBe('user=7;');
  });

  it('may be given as a class, an instance, a record or a function', () => {
    const fields = { user: new ArgsKeyField('userId', { partition: true }) };
    expect(keyOf(new UserPayloadKey(), method('userId'))(1)).toBe("user=1;v='1'");
    expect(keyOf(fields, method('userId'))(1)).toBe('user=1;');
    expect(keyOf((userId: number, page: number) => [userId, { page }], method('userId', 'page'))(1, 2)).toBe(
      ';key=(1,@(page:2))',
    );
    expect(compile(inlineKeyConstructor({ fields, version: 5 }), method('userId')).version).toBe(5);
    class Extended extends inlineKeyConstructor({ fields, version: 5 }) {
      page = new ArgsKeyField('page');
    }
    expect(keyOf(Extended, method('userId', 'page'))(1, 2)).toBe('user=1;page=2');
  });

  it('a function gets the request of a handler', () => {
    const compiled = compile((request: { url: string }) => request.url, { ...method(), kind: 'response' });
    expect(compiled.key({ args: [], request: { url: '/a', headers: {} } })).toBe(";key='/a'");
  });

  it('a function that returns a promise is refused', () => {
    expect(() => keyOf(async () => 1, method())()).toThrow(
      'the value at "key" is an object of the kind Promise',
    );
  });

  it('custom fields need only say what they read', () => {
    class LengthKeyField extends KeyField {
      override read({ args }: KeySource) {
        return String(args[0]).length;
      }
    }
    const compiled = compile({ length: new LengthKeyField({ partition: true }) }, method('text'));
    expect(compiled.key({ args: ['abc'] })).toBe('length=3;');
    expect(compiled.partitionTags({ args: ['abc'] })).toEqual([compiled.partitionTag({ length: '3' })]);
  });

  it('one instance may serve many methods', () => {
    const shared = new UserPayloadKey();
    expect(keyOf(shared, method('userId', 'a'))(1, 2)).toBe("user=1;v='1'");
    expect(keyOf(shared, method('b', 'userId'))(1, 2)).toBe("user=2;v='1'");
  });
});

describe('partition tags', () => {
  const fields = {
    user: new ArgsKeyField('userId', { partition: true }),
    tenant: new ArgsKeyField('tenant', { partition: true, path: 'id' }),
    email: new ArgsKeyField('email', {
      partition: true,
      hashValue: true,
      normalizer: (email: string) => email.split('+')[0],
    }),
  };
  const shape = method('userId', 'tenant', 'email');
  const source = { args: [42, { id: 'T1' }, 'ann+news'] };

  it('are one for each field, one for all together, and one for each declared combination', () => {
    const compiled = compile(inlineKeyConstructor({ fields, partitions: [['user', 'tenant']] }), shape);
    expect(compiled.partitionFields).toEqual(['email', 'tenant', 'user']);
    expect(compiled.subsets).toEqual([
      ['email'],
      ['tenant'],
      ['user'],
      ['email', 'tenant', 'user'],
      ['tenant', 'user'],
    ]);
    const email = `email=#${createHash('sha256').update('ann').digest('base64url')}`;
    expect(compiled.partitionTags(source)).toEqual([
      email,
      'tenant=t1',
      'user=42',
      `${email}&tenant=t1&user=42`,
      'tenant=t1&user=42',
    ]);
  });

  it('are found by values that are the same coarsely, under the name of the field or of the argument', () => {
    const compiled = compile(inlineKeyConstructor({ fields, partitions: [['user', 'tenant']] }), shape);
    const tags = compiled.partitionTags(source);
    expect(tags).toContain(compiled.partitionTag({ user: ' 042 ' }));
    expect(tags).toContain(compiled.partitionTag({ userId: 42n }));
    expect(tags).toContain(compiled.partitionTag({ tenant: 't1', user: '42' }));
    expect(tags).toContain(compiled.partitionTag({ user: 42, tenant: 'T\u0031', email: 'ANN' }));
    expect(tags).not.toContain(compiled.partitionTag({ user: 43 }));
    expect(compiled.resolvePartitionField('userId')).toBe('user');
    expect(compiled.resolvePartitionField('page')).toBeUndefined();
  });

  it('take null for a value, and undefined for null', () => {
    const compiled = compile({ user: fields.user }, shape);
    expect(compiled.partitionTags({ args: [] })).toEqual([compiled.partitionTag({ user: null })]);
    expect(compiled.partitionTag({ user: null })).not.toBe(compiled.partitionTag({ user: 'null' }));
  });

  it('never confuse one combination of coarse values with another', () => {
    const compiled = compile(
      { a: new ArgsKeyField('a', { partition: true }), b: new ArgsKeyField('b', { partition: true }) },
      method('a', 'b'),
    );
    const text = fc
      .string({ unit: fc.constantFrom(...'ab=&%\'";1 '), maxLength: 6 })
      .filter((value) => /^[^1 ]*$/.test(value));
    always<[string, string, string, string]>('tags of two fields', [text, text, text, text], (a, b, c, d) => {
      const together = (...args: string[]) => compiled.partitionTags({ args })[2];
      expect(together(a, b) === together(c, d)).toBe(a === c && b === d);
    });
  });

  it('a name that is not in the key names those that are', () => {
    const error = thrownBy(() => compile({ user: fields.user }, shape).partitionTag({ usr: 1 }));
    expect(error).toBeInstanceOf(PartitionError);
    expect(error.message).toBe(
      `UsersService.find: InlineKeyConstructor: the partition names "usr", which is not a partition field. Write one of 'user'.`,
    );
    expect(() => compile(undefined, shape).partitionTag({ user: 1 })).toThrow(
      'the key has no partition field. Mark one with { partition: true }',
    );
  });

  it('an undeclared combination names the line to add', () => {
    const compiled = compile(fields, shape);
    const error = thrownBy(() => compiled.partitionTag({ user: 1, tenant: 2 }));
    expect(error).toBeInstanceOf(PartitionError);
    expect(error.message).toContain(`static readonly meta = { partitions: [['tenant', 'user']] };`);
    expect(() => compiled.partitionTag({})).toThrow('no partition value is given');
    expect(() => compiled.partitionTag({ user: 1, userId: 1 })).toThrow(
      'the partition field "user" is given twice',
    );
  });

  it('combinations may be added until the first entry is tagged, for one application at a time', () => {
    const plan = KeyPlan.bind(fields, shape);
    const compiled = plan.compile(settings);
    compiled.addSubset(['userId', 'tenant']);
    expect(compiled.partitionTag({ user: 1, tenant: 2 })).toBe('tenant=2&user=1');
    compiled.partitionTags(source);
    compiled.addSubset(['user']);
    expect(() => compiled.addSubset(['user', 'email'])).toThrow(
      'was added after entries were written without its tag',
    );
    expect(() => compiled.addSubset(['nobody'])).toThrow('names "nobody", which is not a partition field');
    expect(plan.compile(settings).subsets).toHaveLength(4);
  });

  it('an argument that two fields read means neither by its name', () => {
    const id = new ArgsKeyField('user', { partition: true, path: 'id' });
    const role = new ArgsKeyField('user', { partition: true, path: 'role' });
    const compiled = compile({ id, role }, method('user'));
    expect(compiled.resolvePartitionField('user')).toBeUndefined();
    expect(() => compiled.partitionTag({ user: 1 })).toThrow(`Write one of 'id', 'role'.`);
  });

  it('a constant may be one', () => {
    const compiled = compile(
      { region: new ConstantKeyField('region', 'EU', { partition: true }), user: fields.user },
      shape,
    );
    expect(compiled.key({ args: [1] })).toBe('region=EU&user=1;');
    expect(compiled.partitionTags({ args: [1] })).toEqual(['region=eu', 'user=1', 'region=eu&user=1']);
    expect(compiled.partitionTag({ region: 'eu' })).toBe('region=eu');
  });

  it('do not depend on the name of the digest, but on a function that hashes', () => {
    const tag = (keyHashAlgorithm: string | ((text: string) => string)) =>
      compile({ email: fields.email }, shape, { keyHashAlgorithm }).partitionTag({ email: 'ann' });
    expect(tag('sha512')).toBe(tag('sha256'));
    expect(tag((text) => `hmac-${text}`)).toBe('email=#hmac-ann');
  });

  it('are at most sixteen', () => {
    const names = Array.from({ length: 16 }, (_, index) => `f${index}`);
    const many = Object.fromEntries(names.map((name) => [name, new ArgsKeyField(name, { partition: true })]));
    expect(() => KeyPlan.bind(many, method(...names))).toThrow('more than 16 partitions');
    delete many['f15'];
    const plan = KeyPlan.bind(many, method(...names)).compile(settings);
    expect(plan.subsets).toHaveLength(16);
    expect(() => plan.addSubset(['f1', 'f2'])).toThrow(
      `more than 16 partitions (['f1', 'f2'] is one too many)`,
    );
  });
});

describe('a key tells users apart', () => {
  it.each<[boolean, KeyField]>([
    [true, new RequestValueKeyField('user.id')],
    [true, new ArgsKeyField('a', { identity: true })],
    [false, new RequestValueKeyField('user.locale', { identity: false })],
    [false, new ArgsKeyField('a')],
  ])('%p', (expected, field) => {
    expect(compile({ field }, method('a')).hasIdentity).toBe(expected);
    expect(KeyPlan.bind({ field }, method('a')).hasIdentity).toBe(expected);
  });
});

describe('a wrong definition is an error that says what is wrong, where, and what to write', () => {
  const wrong = (fields: Record<string, unknown>, meta: Record<string, unknown> = {}) =>
    thrownBy(() => compile(inlineKeyConstructor({ fields: fields as never, ...meta }), method('userId', '')));

  it.each<[string, Record<string, unknown>, string]>([
    [
      'an unknown argument',
      { user: new ArgsKeyField('usrId') },
      `the key field "user" reads the argument "usrId", but the method declares (userId, {…}). Write one of these names; where a build renames parameters, or another decorator wraps the method, write its index instead.`,
    ],
    ['the name of a destructured argument', { user: new ArgsKeyField('') }, 'reads the argument ""'],
    [
      'an index out of range',
      { user: new ArgsKeyField(2) },
      'reads the argument 2, but the method declares (userId, {…}). Write an index from 0 to 1.',
    ],
    ['a negative index', { user: new ArgsKeyField(-1) }, 'reads the argument -1'],
    [
      'no argument',
      { user: new ArgsKeyField([]) },
      `names no argument. Write new ArgsKeyField('id'), or '*' for all.`,
    ],
    [
      'an empty path',
      { user: new ArgsKeyField('userId', { path: 'a..b' }) },
      `has the path "a..b". Write property names joined by dots`,
    ],
    [
      'a normalizer that is none',
      { user: new ArgsKeyField('userId', { normalizer: 'lower' as never }) },
      'has a normalizer that is not a function',
    ],
    [
      'except without all',
      { user: new ArgsKeyField('userId', { except: ['userId'] }) },
      `has { except }, which is for '*' only`,
    ],
    [
      'an unknown exception',
      { user: new ArgsKeyField('*', { except: ['signal'] }) },
      'reads the argument "signal"',
    ],
    [
      'a class instead of a field',
      { user: ArgsKeyField },
      'the property "user" is a function, not a key field. Write user = new ArgsKeyField(\'user\')',
    ],
    ['a text instead of a field', { user: 'userId' }, 'the property "user" is "userId", not a key field'],
    [
      'a field that reads nothing',
      { user: new (class Empty extends KeyField {})() },
      'is of the class Empty, which overrides neither read() nor bind()',
    ],
    [
      'two partitions of one name',
      {
        user: new ArgsKeyField('userId', { partition: true }),
        both: new ArgsKeyField(['userId', 1], { partition: true }),
        userId: new ArgsKeyField(0, { partition: true }),
      },
      'two partition fields write "userId" into the key. Rename one',
    ],
    [
      'two constants of one name',
      { a: new ConstantKeyField('v', 1), b: new ConstantKeyField('v', 2) },
      'two fields write "v" into the key',
    ],
    ['a constant without a name', { a: new ConstantKeyField('', 1) }, 'is a ConstantKeyField without a name'],
    [
      'an option that is misspelt',
      { user: new ArgsKeyField('userId', { partion: true } as never) },
      'has the unknown option partion. Did you mean partition? Known options: partition, hashValue, sortLists, identity, path, normalizer, except.',
    ],
    [
      'an option of another field',
      { user: new ConstantKeyField('v', 1, { path: 'id' } as never) },
      'has the unknown option path. Known options: partition, hashValue, sortLists, identity.',
    ],
    [
      'a switch that is no boolean',
      { user: new ArgsKeyField('userId', { partition: 'yes' as never }) },
      'has { partition: "yes" }. Write true or false.',
    ],
    [
      'options that are no object',
      { user: new ArgsKeyField('userId', 5 as never) },
      'has the options 5. Write an object: { partition: true }.',
    ],
    [
      'an exception that is not a list',
      { user: new ArgsKeyField('*', { except: 'userId' as never }) },
      `has { except } that is not a list. Write new ArgsKeyField('*', { except: ['signal'] }).`,
    ],
    [
      'a constant that has no encoding',
      { a: new ConstantKeyField('v', () => 1) },
      'the constant "v" has no encoding: the value is a function',
    ],
  ])('%s', (_, fields, message) => {
    const error = wrong(fields);
    expect(error).toBeInstanceOf(KeyDefinitionError);
    expect(error.code).toBe('KEY_DEFINITION');
    expect(error.message).toContain('UsersService.find: InlineKeyConstructor: ');
    expect(error.message).toContain(message);
  });

  it.each<[Record<string, unknown>, string]>([
    [
      { namespce: 'users' },
      'meta has no member "namespce". Write one of namespace, version, keyIdentifier, maxKeySuffixLength, partitions.',
    ],
    [{ namespace: '' }, `meta.namespace must be a text that is not empty, such as 'users'.`],
    [{ version: {} }, 'meta.version must be a number or a text'],
    [{ version: Number.NaN }, 'meta.version must be a number or a text'],
    [{ maxKeySuffixLength: 1.5 }, 'meta.maxKeySuffixLength must be a whole number of characters'],
    [{ keyIdentifier: 7 }, 'meta.keyIdentifier must be a text'],
    [{ partitions: ['user'] }, `meta.partitions must be a list of lists of partition field names`],
    [{ partitions: [[]] }, `meta.partitions must be a list of lists`],
    [
      { partitions: [['user', 'page']] },
      `the partition ['user', 'page'] names "page", which is not a partition field. Write one of 'user'.`,
    ],
  ])('meta %j', (meta, message) => {
    const fields = { user: new ArgsKeyField('userId', { partition: true }), page: new ArgsKeyField(1) };
    expect(wrong(fields, meta).message).toContain(message);
  });

  it('fields of other classes may have options of their own', () => {
    class Lower extends ArgsKeyField {
      constructor(name: string) {
        super(name, { locale: 'tr', partition: true } as never);
      }
    }
    expect(compile({ user: new Lower('userId') }, method('userId')).partitionFields).toEqual(['user']);
  });

  it.each<[string, unknown, string]>([
    [
      'a static field',
      class UserKey extends KeyConstructor {
        static user = new ArgsKeyField('userId');
      },
      'UserKey: "user" is static, so that it is not a field, and all calls would share one value. Write user = new …KeyField(…) as a property',
    ],
    [
      'a getter in place of a field',
      class UserKey extends KeyConstructor {
        get user() {
          return new ArgsKeyField('userId');
        }
      },
      'UserKey: "user" is a getter, so that it is not a field, and all calls would share one value. Write user = new …KeyField(…) as a property',
    ],
    [
      'a function whose braces are a block',
      (userId: number) => {
        [userId];
      },
      'the function returns nothing, so that all calls would share one value. Write (id) => [id], or, for an object',
    ],
    [
      'a function in full that returns nothing',
      function key(userId: number) {
        [userId];
      },
      'the function returns nothing',
    ],
  ])('would give all calls one key: %s', (_, input, message) => {
    expect(thrownBy(() => KeyPlan.bind(input as never, method('userId'))).message).toContain(message);
  });

  it('one key for all is given where that is said', () => {
    class NoKey extends KeyConstructor {}
    class Emptied extends DefaultKeyConstructor {
      override args = undefined as never;
    }
    for (const [input, shape] of [
      [{}, method('userId')],
      [Emptied, method('userId')],
      [NoKey, method('userId')],
      [(userId: number) => ({ userId }), method('userId')],
      [({ id }: { id: number }) => [id], method('user')],
      [() => Math.PI, method('userId')],
    ] as const) {
      expect(() => KeyPlan.bind(input as never, shape)).not.toThrow();
    }
  });

  it.each<[unknown, string]>([
    [
      7,
      'UsersService.find: keyConstructor: 7 is not a key constructor. Write a class that extends KeyConstructor',
    ],
    [[], 'is not a key constructor'],
    [new Map(), 'an instance of Map is not a key constructor'],
    [new ArgsKeyField('userId'), 'an instance of ArgsKeyField is not a key constructor'],
    [
      class UserKey {},
      'the class UserKey does not extend KeyConstructor. Write class UserKey extends KeyConstructor',
    ],
  ])('keyConstructor: %p', (input, message) => {
    expect(thrownBy(() => KeyPlan.bind(input as never, method('userId'))).message).toContain(message);
    expect(() => toKeyConstructor(input as never)).toThrow(KeyDefinitionError);
  });

  it('an entry of a list stands in the partition of each member', () => {
    class ManyKey extends KeyConstructor {
      ids = new ArgsKeyField('ids', { partition: true });
      tenant = new ArgsKeyField('tenant', { partition: true });
    }
    const compiled = compile(ManyKey, method('ids', 'tenant'));
    const tags = compiled.partitionTags({ args: [[1, '02'], 't'] });
    for (const values of [
      { ids: 2 },
      { ids: '1' },
      { ids: 1, tenant: 'T' },
      { tenant: 't' },
      { ids: [1, 2] },
    ]) {
      expect(tags).toContain(compiled.partitionTag(values));
    }
    expect(tags).not.toContain(compiled.partitionTag({ ids: 3 }));
    expect(() => compiled.partitionTags({ args: [Array.from({ length: 2_000 }, (_, i) => i), 't'] })).toThrow(
      /too many/,
    );
  });
});
