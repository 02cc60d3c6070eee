/** No way to a server was open: the message names the three ways to open one. */
export class ServerMissingError extends Error {
  constructor(server, refusals) {
    super(
      [
        `The tests need the server '${server.name}', and there is none:`,
        ...refusals.map((refusal) => `  - ${refusal}`),
        'Supply it in one of three ways:',
        `  1. set ${server.variable} to the URL of a running one, e.g. ${server.example}`,
        `  2. install ${server.binaries.join(' and ')} (Debian: apt-get install ${server.package}),`,
        '     or run the tests as root on a Debian machine, and they install it',
        "  3. start a docker engine with the 'compose' plugin",
      ].join('\n'),
    );
    this.name = 'ServerMissingError';
  }
}

/**
 * Answers the URL of a server, from the first of these that there is: the environment, a private instance of a binary
 * on the machine, the Debian package, docker compose. Never answers nothing.
 *
 * @param {import('./registry.mjs').ServerKind} server
 * @param {object} machine what can be done on this machine, see machine.mjs
 */
export async function provide(server, machine) {
  const given = machine.environment[server.variable];
  if (given) return given;

  const refusals = [`${server.variable} is not set`];
  let found = machine.findBinaries(server.binaries);
  if (!found) {
    refusals.push(`${server.binaries.join(', ')} not found on this machine`);
    const refused = await machine.installPackage(server.package);
    found = machine.findBinaries(server.binaries);
    if (!found)
      refusals.push(refused ?? `the Debian package ${server.package} was installed, but lacks a binary`);
  }
  if (found) return machine.startPrivate(server, found);

  const refused = await machine.dockerRefuses();
  if (!refused) return machine.startCompose(server);
  throw new ServerMissingError(server, [...refusals, refused]);
}

/**
 * Answers the environment variables that hold the URLs of these servers. One of `optional` that cannot be had, or does not
 * start, is left out, with a message in `leftOut`; but who gives its URL wants it.
 */
export async function provideAll(needed, optional, machine) {
  const environment = {};
  const leftOut = [];
  for (const server of [...needed, ...optional]) {
    const given = machine.environment[server.variable];
    try {
      const url = await provide(server, machine);
      if (given) await machine.confirm(server, url);
      environment[server.variable] = url;
    } catch (error) {
      if (given || needed.includes(server)) throw error;
      leftOut.push(`The cases of the server '${server.name}' are left out. ${error.message}`);
    }
  }
  return { environment, leftOut };
}
