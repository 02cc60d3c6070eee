/**
 * Measures subjects in rounds that are interleaved, in an order that turns, so that what else the machine does falls on all alike. As
 * processes of one build differ by up to a fifth, each subject has several, one generation after the other.
 *
 * @param {object[]} subjects
 * @param {object} run
 * @param {(subject: object) => Promise<{ stop(): unknown }>} run.start its process
 * @param {(subject: object, started: object) => Promise<Record<string, number>>} run.measure one round
 * @returns {Promise<Map<object, Record<string, number>[]>>} what each round of each subject gave
 */
export async function inRounds(
  subjects,
  { rounds = 3, generations = 3, start, measure, warm = measure, onRound = () => {} },
) {
  const results = new Map(subjects.map((subject) => [subject, []]));
  for (let generation = 0; generation < generations; generation++) {
    const started = [];
    try {
      for (const subject of subjects) started.push(await start(subject, started));
      for (const [at, subject] of subjects.entries()) await warm(subject, started[at]);
      for (let round = 0; round < rounds; round++) {
        for (let turn = 0; turn < subjects.length; turn++) {
          const at = (turn + round) % subjects.length;
          results.get(subjects[at]).push(await measure(subjects[at], started[at]));
        }
        onRound();
      }
    } finally {
      for (const one of started) one.stop();
    }
  }
  return results;
}

/** Runs `body` over and over for a time, after a shorter one that does not count. @returns microseconds of CPU and of time a call */
export async function timed(body, calls) {
  const before = process.cpuUsage();
  const began = performance.now();
  await body(calls);
  const time = ((performance.now() - began) * 1000) / calls;
  const { user, system } = process.cpuUsage(before);
  return { cpu: (user + system) / calls, time };
}
