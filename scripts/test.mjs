// `npm test`: installs what is missing, brings up the servers that tests need, and runs jest with the arguments given.
//   npm test -- test/keys                one folder
//   npm test -- --servers=redis,nats …   other servers than the list in test/servers/registry.mjs (`--servers=` for none)
import { ensureInstalled } from './install.mjs';
import { inRoot, run } from './root.mjs';

const option = '--servers=';

/** Runs jest with the servers up, and answers its exit code. */
export async function runTests(args, variables = {}) {
  await ensureInstalled();
  const { neededServers, optionalServers } = await import('../test/servers/registry.mjs');
  const { startServers } = await import('../test/servers/start.mjs');

  if (!args.some((arg) => !arg.startsWith('--') || arg.startsWith(option))) {
    const names = [...neededServers, ...optionalServers].join(', ');
    console.log(
      `Brings up ${names} on free ports of 127.0.0.1, with their data in a temporary folder, and runs every test: ` +
        'about 20 minutes on two cores.',
    );
  }
  const chosen = args.find((arg) => arg.startsWith(option))?.slice(option.length) ?? process.env.TEST_SERVERS;
  const servers =
    chosen === undefined
      ? await startServers(neededServers, optionalServers)
      : await startServers(chosen.split(',').filter(Boolean));
  const warn = () => servers.leftOut.forEach((message) => console.warn(`\n${message}\n`));
  warn();
  try {
    return await run(
      process.execPath,
      [inRoot('node_modules', 'jest', 'bin', 'jest.js'), ...args.filter((arg) => !arg.startsWith(option))],
      {
        env: {
          ...process.env,
          ...servers.environment,
          ...variables,
          // Jest loads ES modules through node's vm modules; each process of its pool needs the flag.
          NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules --no-warnings`.trim(),
        },
        stopsWithUs: true,
        onStart: servers.adopt,
      },
    );
  } finally {
    await servers.stop();
    // Once more, behind all that jest has printed.
    warn();
  }
}

/** Ends this process with the exit code, or with 1 and the message of what went wrong. */
export async function exitWith(result) {
  try {
    process.exit(await result);
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}

if (process.argv[1] === inRoot('scripts', 'test.mjs')) await exitWith(runTests(process.argv.slice(2)));
