// `node --import …/typescript.mjs record.ts NAME` runs applications/NAME.ts on each platform, and prints the recording.
import './contexts.js';
import type { RecordedApplication } from './application.interface.js';
import { ForeignMembers } from './foreign-members.js';
import { Recorder, type Recording } from './recorder.js';

/** `foreign` comes from a second run without the recorder, since watched objects have other members. */
export type PlatformRecording = Recording & { readonly foreign: Record<string, string[]> };

const [, , name] = process.argv;
// Tracing replaces modules as they load: it comes before the framework.
if (name!.startsWith('opentelemetry')) await import('./applications/opentelemetry-sdk.js');
const { application } = (await import(`./applications/${name}.js`)) as { application: RecordedApplication };
const { runOnExpress, runOnFastify, runOnNode } = await import('./run-application.js');

await runOnNode();
const recordings: Record<string, PlatformRecording> = {};
for (const [platform, run] of [
  ['express', runOnExpress],
  ['fastify', runOnFastify],
] as const) {
  if (application[platform] === undefined) continue;
  const recorder = new Recorder();
  await run(application, recorder);
  const foreign = new ForeignMembers();
  await run(application, foreign);
  recordings[platform] = { ...recorder.recording(), foreign: foreign.lists() };
}
process.stdout.write(JSON.stringify(recordings), () => process.exit(0));
