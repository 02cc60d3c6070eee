import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { PlatformRecording } from './record.js';

/** Each is a file in applications/ and a table in recorded/. */
export const applicationNames = [
  'bare',
  'nest-features',
  'cls',
  'compression',
  'cookies',
  'cors',
  'helmet',
  'i18n',
  'logging-interceptor',
  'opentelemetry',
  'passport-jwt',
  'pino',
  'session',
  'swagger',
  'throttler',
  'typeorm-transactional',
] as const;

export type ApplicationName = (typeof applicationNames)[number];

/** Recordings by platform. All but `bare` leave out the entries that a bare application has as well. */
export type Table = Partial<Record<'express' | 'fastify', PlatformRecording>>;

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export const tablePath = (name: ApplicationName): string => here(`recorded/${name}.json`);

export async function readTable(name: ApplicationName): Promise<Table> {
  return JSON.parse(await readFile(tablePath(name), 'utf8')) as Table;
}

/** Runs the application in a process of its own, since packages patch modules, prototypes and contexts. */
export async function recordTable(name: ApplicationName): Promise<Table> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--no-warnings', '--import', here('../../support/typescript.mjs'), here('record.ts'), name],
    { env: { ...process.env, NODE_OPTIONS: '' }, maxBuffer: 16 * 1024 * 1024, timeout: 120_000 },
  );
  const recorded = JSON.parse(stdout) as Table;
  return name === 'bare' ? recorded : without(recorded, await readTable('bare'));
}

function without(table: Table, bare: Table): Table {
  return Object.fromEntries(
    Object.entries(table).map(([platform, recording]) => {
      const base = bare[platform as keyof Table]!;
      const accesses = Object.entries(recording.accesses).map(([phase, readers]) => [
        phase,
        difference(readers, base.accesses[phase as keyof typeof base.accesses]),
      ]);
      return [
        platform,
        {
          accesses: Object.fromEntries(accesses),
          present: difference(recording.present, base.present),
          added: difference(recording.added, base.added),
          foreign: difference(recording.foreign, base.foreign),
          contexts: recording.contexts,
        },
      ];
    }),
  );
}

type Lists = Readonly<Record<string, readonly string[]>>;

function difference(lists: Lists, base: Lists = {}): Record<string, string[]> {
  const left = Object.entries(lists).map(([key, list]): [string, string[]] => [
    key,
    list.filter((member) => !base[key]?.includes(member)),
  ]);
  return Object.fromEntries(left.filter(([, list]) => list.length > 0));
}
