import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { installPackage } from '../../servers/debian.mjs';
import { createReaper } from '../../servers/reaper.mjs';

/** Runs promtool. @returns what it printed, and its exit code */
export async function promtool(
  args: readonly string[],
  input = '',
): Promise<{ code: number; output: string }> {
  if (!existsSync('/usr/bin/promtool')) await installPackage('prometheus', createReaper());
  const child = spawn('promtool', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number];
  return { code, output };
}

/** What promtool finds wrong with an exposition. */
export async function checkMetrics(text: string): Promise<string> {
  return (await promtool(['check', 'metrics'], text)).output.trim();
}
