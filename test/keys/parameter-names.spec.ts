import { transformSync } from '@swc/core';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { readParameters } from '../../lib/keys/index.js';

/** A function or class as this very source spells it: the transform of the tests would rewrite it. */
function evaluate(source: string): Function {
  return (0, eval)(`(${source})`) as Function;
}

/** The method `find` of a class or object literal. */
function find(source: string): Function {
  const owner = (0, eval)(`(${source})`) as { prototype?: Record<string, Function> } & Record<
    string,
    Function
  >;
  return (
    owner.prototype?.['find'] ??
    owner['find'] ??
    (new (owner as never as new () => Record<string, Function>)()['find'] as Function)
  );
}

describe('parameter names are those the source declares', () => {
  it.each<[source: string, names: string[], rest?: boolean]>([
    ['function () {}', []],
    ['function (a, b) {}', ['a', 'b']],
    ['async function* named(a) {}', ['a']],
    ['(a, b) => a', ['a', 'b']],
    ['a => a', ['a']],
    ['async a => a', ['a']],
    ['async (a) => a', ['a']],
    ['async => async', ['async']],
    ['() => {}', []],
    ['(a, b,) => {}', ['a', 'b']],
    ['function (a, ...b) {}', ['a', 'b'], true],
    ['function (...{ length }) {}', [''], true],
    ['function (a = 1, b = 2) {}', ['a', 'b']],
    ['function (a = ",", b = \')\', c = "\\")", d) {}', ['a', 'b', 'c', 'd']],
    ['function (a = `,)${`}${","}`})`, b) {}', ['a', 'b']],
    ['function (a = /[/,)]\\/,\\(/g, b) {}', ['a', 'b']],
    ['function (a = `${"`,("}`, b) {}', ['a', 'b']],
    ['function (a = 4 / 2, b = a / 2, c) {}', ['a', 'b', 'c']],
    ['function (a = (1, 2) / 3, b = [1] / 2 / 3, c) {}', ['a', 'b', 'c']],
    ['function (a = f(",", (b, c)), d = [e, g], h = { i, j: ")" }) {}', ['a', 'd', 'h']],
    ['function (a = (b, c) => { return /,\\)}/; }, d) {}', ['a', 'd']],
    ['function (a = (b) => { if (b) /[)]"/.test(b); }, d) {}', ['a', 'd']],
    ['function (a = function () { {} /"/g; return {} / 2 }, d = "/") {}', ['a', 'd']],
    ['function (a = b => b, c) {}', ['a', 'c']],
    ['function (a = class { x = 1; m(y, z) {} }, b) {}', ['a', 'b']],
    ['function (a = x.return / 2, b = "/") {}', ['a', 'b']],
    ['function (a = i++ / 2, b = "/,") {}', ['a', 'b']],
    ['function (a = new Map([[1, 2]]), b) {}', ['a', 'b']],
    ['function ({ a, b }, [c, d], e) {}', ['', '', 'e']],
    ['function ({ a = ")", b: { c } } = {}, d = 1) {}', ['', 'd']],
    ['function (/* a, */ b, // c, )\n d /* = , */) {}', ['b', 'd']],
    ['function /* (x) */ name /* y => */ (a) {}', ['a']],
    ['function ($, _a1, \u00e9t\u00e9, \\u0061b, \\u{63}) {}', ['$', '_a1', '\u00e9t\u00e9', 'ab', 'c']],
    ['function(a,b){return a+b}', ['a', 'b']],
    ['(t,e={})=>{let{n:r}=e;return r?t:r}', ['t', 'e']],
    ['t=>n=>t+n', ['t']],
    ['function (a\n=\n1,\n\n b) {}', ['a', 'b']],
    ['function (a = async (x, y) => await x(y, 1), b) {}', ['a', 'b']],
    ['function (a = typeof /,/ , b) {}', ['a', 'b']],
    ['function (a = 1.5e+3, b = .5, c = 0xff_ff, d = 1n) {}', ['a', 'b', 'c', 'd']],
    ['function (a = b ? { c: 1 } : [d, e], f) {}', ['a', 'f']],
    ['function (a = (b) => ({}) / 2, c = "/") {}', ['a', 'c']],
  ])('%s', (source, names, rest = false) => {
    expect(readParameters(evaluate(source))).toEqual({ names, rest });
  });

  it.each<[source: string, names: string[]]>([
    ['class { find(a, b) {} }', ['a', 'b']],
    ['class { async find(a) {} }', ['a']],
    ['class { *find(a) {} }', ['a']],
    ['class { async *find(a) {} }', ['a']],
    ['class { static find(a) {} }', ['a']],
    ['class { "find"(a) {} }', ['a']],
    ['class { ["fi" + ((x, y) => "nd")(1, ")")](a, b) {} }', ['a', 'b']],
    ['class { async ["find"](a) {} }', ['a']],
    ['class { find = async (a, b) => a }', ['a', 'b']],
    ['class { find = (a) => a }', ['a']],
    ['class { find = function (a) {} }', ['a']],
    ['{ find(a) {} }', ['a']],
    ['{ find: a => a }', ['a']],
    ['{ async find(a, { b, c } = { b: ")" }) {} }', ['a', '']],
  ])('%s', (source, names) => {
    expect(readParameters(find(source)).names).toEqual(names);
  });

  it('declares nothing for native, bound and class functions', () => {
    expect(readParameters(Math.max).names).toEqual([]);
    expect(
      readParameters(
        function (this: unknown, a: number) {
          return a;
        }.bind(null),
      ).names,
    ).toEqual([]);
    expect(readParameters(evaluate('class A { find(a) {} }')).names).toEqual([]);
  });

  it('reads a function once', () => {
    const method = (a: number) => a;
    expect(readParameters(method)).toBe(readParameters(method));
  });
});

const SOURCE = `class Users {
  constructor(private readonly repository: unknown) {}
  @cached() async find(userId: number, @inject() { page, size }: Options = { page: 1, size: 2 }, ...tags: string[]): Promise<unknown> {
    return [userId, page, size, tags, this.repository, /[)]/];
  }
}
function cached(): any { return () => {}; }
function inject(): any { return () => {}; }
(globalThis as any).compiledUsers = Users;`;

describe('compiled methods keep the names', () => {
  const compilers: Record<string, () => string> = {
    'TypeScript, ES2022': () => compileTypeScript(ts.ScriptTarget.ES2022),
    'TypeScript, ES2017': () => compileTypeScript(ts.ScriptTarget.ES2017),
    'swc, ES2022': () => compileSwc('es2022'),
    'swc, ES2017': () => compileSwc('es2017'),
    'swc, minified': () => compileSwc('es2022', true),
  };

  it.each(Object.keys(compilers))('%s', (compiler) => {
    (0, eval)(`(() => { ${compilers[compiler]!()} })()`);
    const { compiledUsers } = globalThis as { compiledUsers?: { prototype: { find: Function } } };
    const { names, rest } = readParameters(compiledUsers!.prototype.find);
    expect(rest).toBe(true);
    expect(names).toHaveLength(3);
    if (compiler !== 'swc, minified') expect(names).toEqual(['userId', '', 'tags']);
  });

  function compileTypeScript(target: ts.ScriptTarget): string {
    const options = {
      target,
      module: ts.ModuleKind.None,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
    };
    return ts.transpileModule(SOURCE, { compilerOptions: options }).outputText;
  }

  function compileSwc(target: 'es2022' | 'es2017', minify = false): string {
    return transformSync(SOURCE, {
      swcrc: false,
      minify,
      isModule: false,
      jsc: {
        target,
        parser: { syntax: 'typescript', decorators: true },
        transform: { legacyDecorator: true, decoratorMetadata: true },
        minify: minify ? { compress: true, mangle: { toplevel: true } } : undefined,
      },
    }).code;
  }
});
