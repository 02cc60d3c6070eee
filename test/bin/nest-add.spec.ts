import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';

const require = createRequire(import.meta.url);
const { nestAdd } = require('../../schematics/nest-add.cjs') as { nestAdd(options: object): Rule };

interface Tree {
  read(path: string): Buffer | null;
  overwrite(path: string, text: string): void;
}
type Rule = (tree: Tree, context: object) => unknown;

/** As `nest new` of the CLI 11 and 12 writes it. */
const FRESH = `import { Module } from '@nestjs/common';
import { AppController } from './app.controller';
import { AppService } from './app.service';

@Module({
  imports: [],
  controllers: [AppController],
  providers: [AppService],
})
export class AppModule {}
`;

function add(
  source: string,
  options: object = {},
  manifest: object = { dependencies: {} },
): Map<string, string> {
  const files = new Map([
    ['src/app.module.ts', source],
    ['package.json', JSON.stringify(manifest)],
  ]);
  const tree: Tree = {
    read: (path) => (files.has(path) ? Buffer.from(files.get(path)!) : null),
    overwrite: (path, text) => void files.set(path, text),
  };
  const logger = { info: () => undefined, warn: () => undefined };
  nestAdd({ skipInstall: true, ...options })(tree, { logger, addTask: () => undefined });
  return files;
}

const module = (files: Map<string, string>): string => files.get('src/app.module.ts')!;
const syntaxErrors = (text: string): unknown[] =>
  ts.transpileModule(text, { reportDiagnostics: true, compilerOptions: { experimentalDecorators: true } })
    .diagnostics!;

describe('nest add nestjs-restflow-cache', () => {
  it('imports the module and the page in an application of the Nest CLI', () => {
    const text = module(add(FRESH));
    expect(text).toContain("import { RestflowCacheModule } from 'nestjs-restflow-cache';\n");
    expect(text).toContain(`  imports: [
    RestflowCacheModule.forRoot({ setCacheHeaders: true }),
    ...(process.env.NODE_ENV === 'development' ? [RestflowDashboardModule.forRoot({ path: '/cache' })] : []),
  ],
  controllers`);
    expect(syntaxErrors(text)).toEqual([]);
  });

  it.each([
    ['redis', 'ioredis', "redisStore({ url: process.env.REDIS_URL ?? 'redis://localhost:6379' })"],
    ['node-redis', 'redis', 'redisStore({ client: createClient('],
  ])('adds the store %s, and its package %s', (store, name, call) => {
    const files = add(FRESH, { store });
    expect(module(files)).toContain(call);
    expect(syntaxErrors(module(files))).toEqual([]);
    expect(
      Object.keys((JSON.parse(files.get('package.json')!) as { dependencies: object }).dependencies),
    ).toEqual([name]);
  });

  it('changes nothing when it is run again', () => {
    const once = add(FRESH, { store: 'redis' });
    const manifest = JSON.parse(once.get('package.json')!) as object;
    const twice = add(module(once), { store: 'redis' }, manifest);
    expect(module(twice)).toBe(module(once));
    expect(JSON.parse(twice.get('package.json')!)).toEqual(manifest);
  });

  it.each([
    ['a list on one line', FRESH.replace('imports: []', 'imports: [ConfigModule.forRoot(), UsersModule]')],
    ['a list of several lines', FRESH.replace('imports: []', 'imports: [\n    ConfigModule.forRoot(),\n  ]')],
    ['no list', FRESH.replace('  imports: [],\n', '')],
    ['no import statement', FRESH.replace(/^import.*\n/gm, '')],
  ])('keeps what stands in a module with %s', (_, source) => {
    const text = module(add(source));
    expect(syntaxErrors(text)).toEqual([]);
    expect(text).toContain('RestflowCacheModule.forRoot(');
    for (const word of source.match(/\w+/g)!) expect(text).toContain(word);
    expect(module(add(text))).toBe(text);
  });

  it('says what to write where it cannot', () => {
    expect(() => add('export const nothing = 1;')).toThrow(
      /src\/app\.module\.ts has no @Module.*RestflowCacheModule\.forRoot\(\{ setCacheHeaders: true \}\)/,
    );
    expect(() => add(FRESH, { module: 'src/root.ts' })).toThrow(
      /src\/root\.ts does not exist\. Write --module=/,
    );
    expect(() => add(FRESH, { store: 'mongo' })).toThrow(/Unknown store 'mongo'\. Write --store=memory/);
  });
});
