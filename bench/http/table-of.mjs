import { Process } from '../rig/processes.mjs';
import { row } from '../rig/results.mjs';
import { inRounds } from '../rig/rounds.mjs';
import { measureServer, startServer } from './servers.mjs';

const load = new URL('../rig/load.mjs', import.meta.url);

/**
 * Rows of servers under load, paired by round.
 * @param {object[]} subjects with the order that each gives the load
 */
export async function serverRows(subjects, { seconds, rounds, generations, redis }) {
  const generator = await Process.start(load);
  const measure = (subject, one, time = seconds) =>
    measureServer(generator, { ready: one.ready, one }, { seconds: time, ...subject.order });
  try {
    const results = await inRounds(subjects, {
      rounds,
      generations,
      start: (subject, started) => startServer(subject, { redis, started }),
      warm: (subject, one) => measure(subject, one, 1),
      measure,
    });
    return subjects.map((subject) => rowOf(subject, results.get(subject)));
  } finally {
    generator.stop();
  }
}

/** @param {object} subject `cached` if its handler is not to run */
export function rowOf({ name, variant, cached = false }, measured) {
  const ran = Math.max(...measured.map((one) => one.ran));
  const note =
    cached && ran > 0.5
      ? 'does not store answers: the handler runs'
      : cached && ran > 0
        ? `the handler ran for ${(ran * 100).toFixed(1)} % of the requests`
        : undefined;
  return row(
    name ?? variant,
    measured.map(({ cpu, rate }) => ({ cpu, rate })),
    { note },
  );
}
