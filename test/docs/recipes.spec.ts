import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { root } from './code-blocks.js';

/** A recipe of CONTRIBUTING.md, read from its fenced diff. */
interface Recipe {
  readonly title: string;
  readonly diff: string;
  readonly newFiles: readonly string[];
  /** Lines of code that are added to files which exist; comments explain them and do not count. */
  readonly rows: readonly string[];
  readonly removed: number;
}

function recipes(): Recipe[] {
  const text = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8');
  return [...text.matchAll(/^### (.+)\n[^#]*?```diff\n([\s\S]*?)```/gm)].map(([, title, diff]) => {
    const files = diff!.split(/^(?=--- )/m);
    const lines = files
      .filter((file) => !file.startsWith('--- /dev/null'))
      .flatMap((file) => file.split('\n'));
    return {
      title: title!,
      diff: diff!,
      newFiles: files.filter((file) => file.startsWith('--- /dev/null')),
      rows: lines.filter((line) => /^\+(?!\+\+)/.test(line) && !/^\+\s*(?:\/\*|\*|\/\/)/.test(line)),
      removed: lines.filter((line) => /^-(?!--)/.test(line)).length,
    };
  });
}

/** A metric is counted in a second place and exported in a third, and an option has a type beside its row. */
const MAX_ROWS: Readonly<Record<string, number>> = { 'A metric': 3, 'An option': 2 };

const folder = join(root, '.tmp', 'recipes');

/**
 * Applies a unified diff whose hunks have no line numbers: the unchanged lines of a hunk stand in exactly one place.
 *
 * @throws Error for a hunk whose place is not found, or found twice
 */
function apply(diff: string): void {
  for (const file of diff.split(/^(?=--- )/m)) {
    const [, path] = /^\+\+\+ b\/(.+)$/m.exec(file)!;
    const target = join(folder, path!);
    const hunks = file.split(/^@@.*\n/m).slice(1);
    if (file.startsWith('--- /dev/null')) writeFileSync(target, added(hunks[0]!).join('\n'));
    else for (const hunk of hunks) writeFileSync(target, inserted(readFileSync(target, 'utf8'), hunk, path!));
  }
}

const added = (hunk: string): string[] => linesOf(hunk).map((line) => line.slice(1));

const linesOf = (hunk: string): string[] => hunk.split('\n').filter((line) => line !== '');

function inserted(text: string, hunk: string, path: string): string {
  const before = linesOf(hunk)
    .filter((line) => line.startsWith(' '))
    .map((line) => line.slice(1))
    .join('\n');
  const places = text.split(`${before}\n`).length - 1;
  if (places !== 1) throw new Error(`${path} has ${places} places for this hunk:\n${hunk}`);
  return text.replace(before, () => added(hunk).join('\n'));
}

/** Compiles the changed copy of lib/, as the build does. */
function compile(): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.build.json'), ts.sys.readFile);
  const options: ts.CompilerOptions = {
    ...ts.parseJsonConfigFileContent(config, ts.sys, root).options,
    rootDir: join(folder, 'lib'),
    outDir: join(folder, 'out'),
    declaration: false,
  };
  const roots = ['index.ts', 'observability/metric-families.ts'];
  const program = ts.createProgram(
    roots.map((file) => join(folder, 'lib', file)),
    options,
  );
  const { diagnostics } = program.emit();
  return [...ts.getPreEmitDiagnostics(program), ...diagnostics].map((one) =>
    ts.flattenDiagnosticMessageText(one.messageText, ' '),
  );
}

describe('the recipes of CONTRIBUTING.md', () => {
  const all = recipes();

  beforeAll(() => {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    cpSync(join(root, 'lib'), join(folder, 'lib'), { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  });

  it('exist for each kind of addition', () => {
    expect(all.map(({ title }) => title)).toEqual([
      'A key field',
      'A header that is never stored',
      'A dispatcher',
      'A database',
      'A metric',
      'An option',
    ]);
  });

  it.each(all.map((recipe) => [recipe.title, MAX_ROWS[recipe.title] ?? 1, recipe] as const))(
    '%s takes at most one new file and %d added lines elsewhere',
    (_, maxRows, { newFiles, rows, removed }) => {
      expect(newFiles.length).toBeLessThanOrEqual(1);
      expect(removed).toBe(0);
      expect(rows.length).toBeLessThanOrEqual(maxRows);
    },
  );

  it('apply together, compile, and have the effect that they promise', () => {
    for (const { diff } of all) apply(diff);
    expect(compile()).toEqual([]);
    const observed = spawnSync(
      process.execPath,
      [join(import.meta.dirname, 'observe-recipes.mjs'), join(folder, 'out')],
      {
        encoding: 'utf8',
        env: { ...process.env, NODE_OPTIONS: '' },
      },
    );
    expect(observed.stderr).toBe('');
    expect(JSON.parse(observed.stdout)).toEqual({
      'A key field': { 'fr-CH after fr': 'HIT', 'de after fr': 'MISS' },
      'A header that is never stored': { miss: 'node-1', hit: null },
      'A dispatcher': 'next-turn carried out a job',
      'A database': { known: true, hasBackslashEscapes: false },
      'A metric': { hits: 1, served: 1, exported: 1 },
      'An option': 'RestflowCacheModule: quiet is 1. Write true or false.',
    });
  });
});
