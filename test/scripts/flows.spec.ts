import { beforeAll, describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { functionsOf } from '../../scripts/flows/functions.mjs';
import { measureFlow } from '../../scripts/flows/measure.mjs';
import { tableOf } from '../../scripts/flows/report.mjs';
import { traced } from '../../scripts/flows/tracing.mjs';

interface Report {
  files: { file: string; functions: string[] }[];
  figures: Record<'files' | 'functions' | 'filesWithOneFunction' | 'shareOfFiveLargestFiles', number>;
  tree: string[];
}

describe('the report of a flow', () => {
  let report: Report;
  beforeAll(async () => {
    report = await measureFlow('miss');
  });

  it('names the interceptor, which every miss passes through', () => {
    const files = report.files.map(({ file }) => file);
    expect(files).toContain('http/response-cache.interceptor.ts');
    expect(new Set(files).size).toBe(files.length);
  });

  it('has figures that follow from its list of files', () => {
    const { files, functions, filesWithOneFunction, shareOfFiveLargestFiles } = report.figures;
    const counts = report.files.map((one) => one.functions.length);
    expect(files).toBe(counts.length);
    expect(functions).toBeGreaterThan(0);
    expect(functions).toBe(counts.reduce((sum, count) => sum + count));
    expect(filesWithOneFunction).toBe(counts.filter((count) => count === 1).length);
    expect(shareOfFiveLargestFiles).toBeGreaterThan(0);
    expect(shareOfFiveLargestFiles).toBeLessThanOrEqual(1);
    expect(tableOf({ miss: report })).toContain(`| miss | ${files} `);
  });

  it('has a call tree of the functions that the coverage lists, and of no others', () => {
    const inTree = new Set(report.tree.map((line) => line.trim().replace(/ \(\d+ times\)$/, '')));
    const covered = report.files.flatMap(({ file, functions }) => functions.map((name) => `${file}:${name}`));
    expect([...inTree].sort()).toEqual(covered.sort());
    expect(report.tree.some((line) => line.startsWith('  '))).toBe(true);
  });
});

describe('a traced file', () => {
  const source = `
    class Base { constructor(first) { this.first = first; } get twice() { return this.first * 2; } }
    class Derived extends Base { #factor = (n) => n * 3; constructor() { super(...arguments); }
      async sum(n = 1) { const rest = await Promise.all([n].map(async (one) => (two) => one + two));
        return rest[0](this.twice) + this.#factor(1); } }
    function* pair() { yield 1; yield 2; }
    const record = (n) => ({ n });
    return [new Derived(4).sum(), [...pair()], record(1)];`;
  const file = ts.createSourceFile('sums.js', source, ts.ScriptTarget.Latest, true);
  const functions = functionsOf('sums.ts', file);

  it('answers as before, and reports each call', async () => {
    const called: string[] = [];
    const text = traced(source, functions, 0, 'recorder').replace(/^import .*\n/, '');
    const call = (id: number, body: () => unknown): unknown => {
      called.push(functions[id]!.name);
      return body();
    };
    const [sum, numbers, object] = new Function('$call', text)(call) as unknown[];
    expect([await sum, numbers, object]).toEqual([12, [1, 2], { n: 1 }]);
    expect(called.sort()).toEqual(functions.map(({ name }) => name).sort());
  });

  it('names functions by their class, their variable, or the call that they are handed to', () => {
    expect(functions.map(({ name }) => name)).toEqual([
      'Base.constructor',
      'Base.get twice',
      'Derived.#factor',
      'Derived.constructor',
      'Derived.sum',
      'Derived.sum > callback of map',
      'Derived.sum > callback of map > returned function',
      'pair',
      'record',
    ]);
  });
});
