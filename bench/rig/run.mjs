import { startServers } from '../../test/servers/start.mjs';
import { ensureInstalled } from '../../scripts/install.mjs';
import { inRoot } from '../../scripts/root.mjs';
import { Process } from './processes.mjs';
import { row } from './results.mjs';
import { inRounds } from './rounds.mjs';

/** Numbers given on the command line, in place of defaults. */
export const numbers = (...defaults) => {
  const given = process.argv.slice(2).map(Number);
  return defaults.map((number, at) => (Number.isFinite(given[at]) ? given[at] : number));
};

/** Runs `body` with a Redis of its own. */
export async function withRedis(body) {
  const servers = await startServers(['redis']);
  try {
    return await body(servers.environment.TEST_REDIS_URL);
  } finally {
    await servers.stop();
  }
}

/**
 * Rows of subjects that each are a process of library/subject.mjs.
 * @param {{ title: string, name: string }[]} subjects
 */
export async function libraryRows(subjects, { rounds, generations, onRound }) {
  await ensureInstalled(inRoot('bench'));
  const results = await inRounds(subjects, {
    rounds,
    generations,
    onRound,
    start: (subject) => Process.start(new URL('../library/subject.mjs', import.meta.url), subject),
    measure: (_, one) => one.ask({}),
  });
  return subjects.map((subject) => {
    const all = results.get(subject);
    const ran = Math.max(...all.map((one) => one.ran));
    return row(
      subject.title,
      all.map(({ cpu, time }) => ({ cpu, time })),
      { note: ran > 0 ? `loaded in ${(ran * 100).toFixed(1)} % of the calls` : undefined },
    );
  });
}

export const finder = (rows) => (title) => {
  const found = rows.find(({ name }) => name === title);
  if (found === undefined) throw new Error(`there is no row '${title}'`);
  return found;
};
