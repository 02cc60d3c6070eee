import { describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A run that starts a server in a temporary folder and then does nothing. */
const script = `
  import { spawn } from 'node:child_process';
  import { mkdtempSync } from 'node:fs';
  import { tmpdir } from 'node:os';
  import { join } from 'node:path';
  import { createReaper } from ${JSON.stringify(pathToFileURL(join(process.cwd(), 'test/servers/reaper.mjs')).href)};
  const reaper = createReaper();
  const folder = mkdtempSync(join(tmpdir(), 'restflow-reaper-'));
  reaper.remove(folder);
  const server = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
    detached: true,
    stdio: ['ignore', 'inherit', 'ignore'],
  });
  reaper.kill(server.pid, 'SIGTERM');
  console.log(folder);
  setInterval(() => {}, 1000);
`;

interface Started {
  readonly run: ChildProcess;
  readonly folder: string;
  /** Resolves when the run, its server and its reaper, which share one pipe, have all ended. */
  readonly allEnded: Promise<unknown>;
}

async function begin(): Promise<Started> {
  const run = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  const allEnded = once(run.stdout!, 'close');
  const [line] = (await once(run.stdout!, 'data')) as [Buffer];
  return { run, folder: String(line).trim(), allEnded };
}

describe('what a run has started ends with it', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
    'when the run gets a %s',
    async (signal) => {
      const { run, folder, allEnded } = await begin();
      expect(existsSync(folder)).toBe(true);

      run.kill(signal);

      await allEnded;
      expect(existsSync(folder)).toBe(false);
    },
    15_000,
  );
});
