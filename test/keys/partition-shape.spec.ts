import { describe, expect, it } from '@jest/globals';
import { ArgsKeyField, QueryParamsKeyField, writePartition } from '../../lib/keys/index.js';
import { always, compile, handler, method } from './support.js';
import { encodable } from './values.js';

describe('the shape of a partition', () => {
  const fields = {
    plain: new ArgsKeyField('a', { partition: true }),
    'of lists': new ArgsKeyField('b', { partition: true, sortLists: true }),
    hidden: new ArgsKeyField('c', { partition: true, hashValue: true }),
  };

  it('writes what the key writes, after it went through JSON', () => {
    const key = compile(fields, method('a', 'b', 'c'));
    const shape = JSON.parse(JSON.stringify(key.partitionShape(['plain', 'hidden', 'of lists']))) as never;
    always('tags are written alike elsewhere', [encodable, encodable, encodable], (plain, lists, hidden) => {
      const values = { hidden, plain, 'of lists': lists };
      expect(writePartition(shape, values)).toBe(key.partitionTag(values));
    });
  });

  it('knows repeated query parameters for sets', () => {
    const key = compile({ tag: new QueryParamsKeyField('tag', { partition: true }) }, handler({}));
    const shape = key.partitionShape(['tag'])!;
    expect(writePartition(shape, { tag: ['b', 'a', 'b'] })).toBe(key.partitionTag({ tag: ['a', 'b'] }));
    expect(shape[0]!.isSet).toBe(true);
  });

  it('does not tell what takes a function of the user', () => {
    const key = compile(fields, method('a', 'b', 'c'), { keyHashAlgorithm: (text) => `my ${text}` });
    expect(key.partitionShape(['hidden'])).toBeUndefined();
    expect(key.partitionShape(['plain'])).toEqual([
      { name: 'plain', isSet: false, sortLists: false, isHashed: false },
    ]);
  });
});
