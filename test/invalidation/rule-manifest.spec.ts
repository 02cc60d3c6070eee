import { describe, expect, it } from '@jest/globals';
import { keyOf } from '../../lib/invalidation/rules/manifest-rule.js';
import { RuleManifest } from '../../lib/invalidation/exchange/rule-manifest.js';
import fc from 'fast-check';
import { KeySpace } from '../../lib/cache/key-space.js';
import { RemoteRule } from '../../lib/invalidation/rules/remote-rule.js';
import { mutate } from '../support/mutations.js';
import { always, announce, randomNumbers, seed, soaked } from '../support/randomised.js';
import { manifestRule } from './support/manifest-rules.js';

const manifest = (...held: (readonly [n: number, until: number])[]): RuleManifest => {
  const made = new RuleManifest();
  for (const [n, until] of held) made.add(manifestRule(n), until);
  return made;
};
const shown = (of: RuleManifest): string[] =>
  [...of.entries()].map(([, held]) => `${held.rule.name} ${held.until}`).sort();

describe('a manifest', () => {
  it('is the same in whatever order, and however often, it was merged', () => {
    const part = fc
      .array(fc.tuple(fc.nat(5), fc.nat(100)), { maxLength: 6 })
      .map((held) => manifest(...held));
    always(
      'manifests merge alike in any order',
      500,
      fc.array(part, { minLength: 1, maxLength: 5 }),
      (parts) => {
        const merge = (order: readonly RuleManifest[]): string[] => {
          const all = new RuleManifest();
          for (const one of order) all.merge(one);
          return shown(all);
        };
        const expected = merge(parts);
        expect(merge([...parts].reverse())).toEqual(expected);
        expect(merge([...parts, ...parts.slice(1), parts[0]!])).toEqual(expected);
      },
    );
  });

  it('comes back from a store as it went, and tells what is new of it', () => {
    const one = manifest([1, 10], [2, 20]);
    const { manifest: read, garbage } = RuleManifest.read(structuredClone(one.toStored()));
    expect([shown(read), garbage]).toEqual([shown(one), []]);
    const known = manifest([1, 5]);
    expect(known.merge(read).map(({ name }) => name)).toEqual(['rule 2']);
    expect(shown(known)).toEqual(['rule 1 10', 'rule 2 20']);
  });

  it('keeps rules as long as their writer says, by whatever clock it is read', () => {
    const [writer, reader] = [1_000_000, 700_000];
    const one = manifest([1, writer + 10], [2, writer + 20]);
    const { manifest: read } = RuleManifest.read(structuredClone(one.toStored(writer)), reader);
    expect(shown(read)).toEqual(shown(manifest([1, reader + 10], [2, reader + 20])));
  });

  it('with foreign content is read as far as it contains rules', () => {
    const space = new KeySpace('hostile', 'app', undefined);
    const stored = manifest([1, 10], [2, 20]).toStored();
    const count = soaked(20_000);
    announce('hostile manifests', count);
    const random = randomNumbers(seed);
    const members = ['watchFields', 'invalidateWhen', 'dispatcherConfig', 'partition', 'shape', 'paths'];
    for (let i = 0; i < count; i++) {
      let mutated: unknown = stored;
      for (let times = 1 + Math.floor(random() * 3); times > 0; times--)
        mutated = mutate(mutated, random, members);
      const { manifest: read, garbage } = RuleManifest.read(mutated);
      for (const line of garbage) expect(typeof line).toBe('string');
      for (const [, { rule, until }] of read.entries()) {
        expect(Number.isFinite(until)).toBe(true);
        expect(new RemoteRule(rule, space, 'inline').target.methodTag).toMatch(/^hostile:g:/);
      }
    }
  });

  it('is ahead of one that lacks a rule or would forget one earlier', () => {
    const one = manifest([1, 10], [2, 20]);
    expect(one.isAheadOf(manifest([1, 10], [2, 20], [3, 5]))).toBe(false);
    expect(one.isAheadOf(manifest([1, 10]))).toBe(true);
    expect(one.isAheadOf(manifest([1, 9], [2, 20]))).toBe(true);
  });

  it('keeps rules that are published in time, and forgets others', () => {
    const one = manifest([1, 10], [2, 200]);
    one.keep(manifestRule(1), 12, 5);
    expect(one.get(keyOf(manifestRule(1)))!.until).toBe(10);
    one.keep(manifestRule(1), 100, 5);
    expect(one.get(keyOf(manifestRule(1)))!.until).toBe(100);
    one.prune(150);
    expect(shown(one)).toEqual(['rule 2 200']);
  });

  it('that is too large tells entities alone, once and for all', () => {
    const one = manifest(...Array.from({ length: 1_001 }, (_, n) => [n, n] as const));
    expect(one.bound()).toBe(true);
    expect(one.size).toBe(7);
    expect([...one.entries()].every(([, held]) => held.rule.method === undefined)).toBe(true);
    one.keep(manifestRule(3), 5_000, 0);
    expect(one.size).toBe(7);
    expect(one.until).toBe(5_000);
    expect(one.bound()).toBe(false);
  });

  it.each<[string, unknown]>([
    ['nothing at all', null],
    ['a text', 'rules'],
    ['another version', { version: 1, rules: [] }],
    ['no list', { version: 2, rules: {} }],
    ['a list without end', { version: 2, rules: Array.from({ length: 5_000 }) }],
  ])('is not read from %s', (_, stored) => {
    const { manifest: read, garbage } = RuleManifest.read(stored);
    expect([read.size, garbage]).toEqual([0, ['the stored value is not a rule manifest of this version']]);
  });

  it.each<[string, object]>([
    ['no method', { method: 5 }],
    ['no tables', { tables: 'user' }],
    ['no mode', { mode: 'drop' }],
    ['no life', { life: '1' }],
    ['conditions that are none', { invalidateWhen: [] }],
    ['a partition without paths', { partition: { shape: [{}], requireArgs: false, lookup: false } }],
    [
      'a field without a path',
      {
        partition: {
          shape: [{ name: 'a', isSet: false, sortLists: false, isHashed: false }],
          paths: { b: 'id' },
          requireArgs: false,
          lookup: false,
        },
      },
    ],
  ])('leaves out a rule with %s, and takes the others', (_, spoilt) => {
    const stored = {
      version: 2,
      rules: [
        { rule: { ...manifestRule(0), ...spoilt }, stays: 5 },
        { rule: manifestRule(1), stays: 6 },
      ],
    };
    const { manifest: read, garbage } = RuleManifest.read(stored);
    expect([shown(read), garbage.length]).toEqual([['rule 1 6'], 1]);
  });
});
