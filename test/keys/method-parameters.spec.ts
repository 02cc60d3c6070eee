import { transformSync } from '@swc/core';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { methodParameters } from '../../lib/keys/index.js';

type Class = { readonly prototype: Record<string, Function> } & Function;

/** A class as this very source spells it. */
function evaluate(source: string): Class {
  return (0, eval)(source) as Class;
}

const wrappers: readonly [name: string, wrap: (method: Function) => Function][] = [
  [
    'with arguments, in the style of ES5',
    (0, eval)(`((m) => function () { return m.apply(this, arguments); })`),
  ],
  ['with rest parameters', (0, eval)(`((m) => function (...args) { return m.apply(this, args); })`)],
  ['with parameters of its own', (0, eval)(`((m) => function (first) { return m.call(this, first); })`)],
  ['by binding it', (method) => method.bind(undefined) as Function],
];

const CLASS = `(class extends (class { find(wrong) {} }) {
  static find(no) {}
  field = this.find(1, "find(x) {");
  static async other(find) { find(no); }
  get value() { return find(this); }
  async find(id, { page } = {}, ...rest) { return find(id); }
})`;

describe('the parameters of a wrapped method', () => {
  it.each(wrappers)('are those that its class declares, where it is wrapped %s', (_, wrap) => {
    const owner = evaluate(CLASS);
    const wrapped = wrap(owner.prototype['find']!);
    expect(methodParameters(owner, 'find', wrapped)).toEqual({
      names: ['id', '', 'rest'],
      rest: true,
      hasUnknownArity: false,
    });
  });

  it.each(wrappers.filter(([name]) => !name.includes('parameters')))(
    'are any, where its class is a function and it is wrapped %s',
    (_, wrap) => {
      const owner = evaluate(`(function Users() {})`);
      const wrapped = wrap(evaluate(`(function (id) { return id; })`));
      expect(methodParameters(owner, 'find', wrapped)).toEqual({
        names: [],
        rest: false,
        hasUnknownArity: true,
      });
    },
  );

  it('are empty if it declares none and uses no arguments', () => {
    const owner = evaluate(`(class { async find() { return 1; } })`);
    expect(methodParameters(owner, 'find', owner.prototype['find']!)).toEqual({
      names: [],
      rest: false,
      hasUnknownArity: false,
    });
  });
});

const SOURCE = `class Users { async find(id, page = 1) { return [id, page]; } async one(id) { return id; } }`;

const compilers: readonly [name: string, compile: (source: string) => string][] = [
  ...(['ES5', 'ES2015', 'ES2016', 'ES2017'] as const).map((target): [string, (source: string) => string] => [
    `TypeScript for ${target}`,
    (source) =>
      ts.transpileModule(source, {
        compilerOptions: { target: ts.ScriptTarget[target], noEmitHelpers: false },
      }).outputText,
  ]),
  ...(['es5', 'es2015', 'es2017'] as const).map((target): [string, (source: string) => string] => [
    `swc for ${target}`,
    (source) => transformSync(source, { jsc: { target, parser: { syntax: 'ecmascript' } } }).code,
  ]),
];

describe.each(compilers)('a method that %s compiled', (_, compile) => {
  it('has its names, or may take any number of arguments', () => {
    const owner = evaluate(`${compile(SOURCE)};Users`);
    const { names, hasUnknownArity } = methodParameters(owner, 'find', owner.prototype['find']!);
    if (names.length < 2) expect(hasUnknownArity).toBe(true);
    else expect(names.map((name) => name.replace(/^_|_1$/, ''))).toEqual(['id', 'page']);
    const one = methodParameters(owner, 'one', owner.prototype['one']!);
    if (!one.hasUnknownArity) expect(one.names).toEqual(['id']);
  });
});
