import { transform } from '@swc/core';
import { transform as esbuild } from 'esbuild';
import ts from 'typescript';

/** Compiles a module to a script that assigns to `exports`. */
export type Compiler = (source: string) => Promise<string>;

function typescript(target: ts.ScriptTarget): Compiler {
  return async (source) =>
    ts.transpileModule(source, { compilerOptions: { target, module: ts.ModuleKind.CommonJS } }).outputText;
}

function swc(target: 'es5' | 'es2020' | 'es2022', minify = false): Compiler {
  return async (source) =>
    (
      await transform(source, {
        swcrc: false,
        jsc: {
          target,
          parser: { syntax: 'typescript' },
          ...(minify && { minify: { compress: true, mangle: { toplevel: true } } }),
        },
        minify,
        module: { type: 'commonjs' },
      })
    ).code;
}

function bundler(target: string, minify = false): Compiler {
  return async (source) =>
    (await esbuild(source, { loader: 'ts', format: 'cjs', target, minify, keepNames: true })).code;
}

/** The compilers that Nest applications use, with the targets that differ in how they write private members. */
export const COMPILERS: Readonly<Record<string, Compiler>> = {
  'TypeScript, ES5': typescript(ts.ScriptTarget.ES5),
  'TypeScript, ES2017': typescript(ts.ScriptTarget.ES2017),
  'TypeScript, ES2022': typescript(ts.ScriptTarget.ES2022),
  'TypeScript, ES2017, minified': async (source) =>
    bundler('es2017', true)(await typescript(ts.ScriptTarget.ES2017)(source)),
  'swc, ES5': swc('es5'),
  'swc, ES2020': swc('es2020'),
  'swc, ES2020, minified': swc('es2020', true),
  'swc, ES2022': swc('es2022'),
  'esbuild, ES2020': bundler('es2020'),
  'esbuild, ES2020, minified': bundler('es2020', true),
  'esbuild, ESNext, minified': bundler('esnext', true),
};

/** Runs a compiled script, and answers what it exports. */
export function run(script: string): Record<string, new (...args: unknown[]) => object> {
  const module = { exports: {} as Record<string, new (...args: unknown[]) => object> };

  new Function('exports', 'module', script)(module.exports, module);
  return module.exports;
}
