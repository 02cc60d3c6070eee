import { join } from 'node:path';

/** A browser without a window, which specs reach by its debugging port. */
export const chromium = {
  name: 'chromium',
  variable: 'TEST_CHROMIUM_URL',
  example: 'http://127.0.0.1:9222, of one that was started with --headless --remote-debugging-port=9222',
  binaries: ['chromium'],
  package: 'chromium fonts-dejavu-core',
  async start(machine) {
    const port = await machine.freePort();
    const url = `http://127.0.0.1:${port}`;
    machine.spawn(
      'chromium',
      [
        '--headless',
        `--remote-debugging-port=${port}`,
        `--user-data-dir=${join(machine.folder, 'profile')}`,
        // Root has no sandbox; it shows pages of the tests alone.
        '--no-sandbox',
        '--disable-gpu',
        '--disable-dev-shm-usage',
        '--no-first-run',
        '--disable-background-networking',
        'about:blank',
      ],
      { env: { HOME: machine.folder } },
    );
    await machine.ready(() => this.probe(url), 40);
    return url;
  },
  async composeUrl() {
    throw new Error('it opens pages of this machine: install its binary');
  },
  async probe(url) {
    const response = await fetch(new URL('/json/version', url));
    if (!response.ok) throw new Error(`it answers ${response.status}`);
  },
};
