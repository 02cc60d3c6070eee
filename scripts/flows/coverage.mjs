import { Session } from 'node:inspector/promises';

/**
 * Options of node for exact coverage: V8 counts calls per closure, and would otherwise drop counts with bytecode it flushes, and
 * calls of functions that it has inlined.
 */
export const coverageOptions = ['--no-opt', '--no-flush-bytecode', '--no-lazy-feedback-allocation'];

/**
 * Starts V8's precise coverage. Must be called before the library is loaded.
 *
 * @param {string} folder URL of the folder with the files to report
 * @returns {Promise<(action: () => Promise<void>) => Promise<{ path: string, ranges: { start: number, end: number }[] }[]>>} runs
 *   `action` and answers which functions it called
 */
export async function startCoverage(folder) {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  return async (action) => {
    // Taking the counts clears them: those of the warm-up are still in them.
    await session.post('Profiler.takePreciseCoverage');
    await action();
    const { result } = await session.post('Profiler.takePreciseCoverage');
    session.disconnect();
    return result
      .filter(({ url }) => url.startsWith(folder))
      .map(({ url, functions }) => ({
        path: url.slice(folder.length),
        ranges: functions.flatMap(calledRange),
      }));
  };
}

/** The first range is the whole function. */
const calledRange = ({ ranges: [{ startOffset, endOffset, count }] }) =>
  count > 0 ? [{ start: startOffset, end: endOffset }] : [];
