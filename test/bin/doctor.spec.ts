import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from '@jest/globals';

const bin = join(import.meta.dirname, '..', '..', 'bin', 'restflow-cache.mjs');
const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

const PEERS = {
  '@nestjs/common': '12.5.1',
  '@nestjs/core': '12.5.1',
  'reflect-metadata': '0.2.2',
  rxjs: '7.8.2',
};
const TSCONFIG = `{ // of the Nest CLI
  "compilerOptions": { "experimentalDecorators": true, "emitDecoratorMetadata": true, },
}`;
const ROOT = `@Module({ imports: [RestflowCacheModule.forRoot()] }) class AppModule {}
class A { @CacheResult('1m') async a() {} }`;

interface Report {
  versions: Record<string, string>;
  found: string[];
  problems: string[];
  warnings: string[];
}

function application(files: Record<string, string>, packages: Record<string, string> = PEERS): string {
  const folder = mkdtempSync(join(tmpdir(), 'restflow-doctor-'));
  folders.push(folder);
  const all = Object.entries(packages).map(([name, version]) => [
    `node_modules/${name}/package.json`,
    JSON.stringify({ name, version }),
  ]);
  for (const [path, text] of [...Object.entries(files), ...(all as [string, string][])]) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

async function run(cwd: string, ...args: string[]): Promise<{ code: number; output: string }> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [bin, ...args], { cwd, env: {} });
    return { code: 0, output: stdout };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, output: stdout + stderr };
  }
}

async function doctor(
  files: Record<string, string>,
  packages?: Record<string, string>,
): Promise<Report & { code: number }> {
  const { code, output } = await run(application(files, packages), 'doctor', '--json');
  return { code, ...(JSON.parse(output) as Report) };
}

describe('npx nestjs-restflow-cache doctor', () => {
  it('prints versions and what it found of a sound application', async () => {
    const { code, versions, found, problems } = await doctor({
      'tsconfig.json': TSCONFIG,
      'src/app.module.ts': ROOT,
    });
    expect({ code, problems }).toEqual({ code: 0, problems: [] });
    expect(versions).toMatchObject({ '@nestjs/core': '12.5.1', rxjs: '7.8.2' });
    expect(found).toEqual([
      'RestflowCacheModule in src/app.module.ts',
      '@CacheResult on 1 method',
      'a store in the memory of each process',
    ]);
  });

  it.each<[string, Record<string, string>, Record<string, string>, RegExp]>([
    [
      'an old Nest',
      {},
      { ...PEERS, '@nestjs/core': '10.4.0' },
      /works with @nestjs\/core .*installed is 10\.4\.0/,
    ],
    ['a missing peer', {}, {}, /rxjs is not installed\. Run npm install rxjs/],
    ['no decorators', { 'tsconfig.json': '{}' }, PEERS, /tsconfig\.json: experimentalDecorators is not true/],
    [
      'SWC without metadata',
      { '.swcrc': '{"jsc":{"transform":{"legacyDecorator":true}}}' },
      PEERS,
      /jsc\.transform\.decoratorMetadata/,
    ],
    [
      'a module that is commented out',
      { 'src/app.module.ts': `// ${ROOT}` },
      PEERS,
      /No file of src\/ imports the module/,
    ],
    [
      'Redis without ioredis',
      { 'src/app.module.ts': `import { redisStore } from 'nestjs-restflow-cache/redis';\n${ROOT}` },
      PEERS,
      /nestjs-restflow-cache\/redis needs ioredis\. Run npm install ioredis/,
    ],
  ])('names %s, with what to do, and exits with 1', async (_, files, packages, problem) => {
    const report = await doctor({ 'tsconfig.json': TSCONFIG, 'src/app.module.ts': ROOT, ...files }, packages);
    expect(report.code).toBe(1);
    expect(report.problems.join('\n')).toMatch(problem);
  });

  it('warns of a shared store without a version, and of the module in two files', async () => {
    const shared = ROOT.replace('forRoot()', 'forRoot({ store: redisStore({ url }) })');
    const { warnings } = await doctor({ 'src/a.module.ts': shared, 'src/b.module.ts': shared });
    expect(warnings.join('\n')).toMatch(/stands in 2 files[\s\S]*Builds share entries: no version is given/);
  });

  it('prints a page for people, and help', async () => {
    const folder = application({ 'tsconfig.json': TSCONFIG, 'src/app.module.ts': ROOT });
    expect((await run(folder, 'doctor')).output).toMatch(
      /^Versions\n {2}node [\s\S]*\nFound\n {2}- Restflow/,
    );
    expect((await run(folder, 'help')).output).toContain('doctor');
    expect(await run(folder, 'docter')).toMatchObject({
      code: 1,
      output: expect.stringContaining('Unknown command') as unknown,
    });
    expect(await run(folder, 'doctor', '--jsn')).toMatchObject({
      code: 1,
      output: expect.stringContaining('Unknown option') as unknown,
    });
  });
});
