import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { capture } from '../../scripts/root.mjs';

const policy = '/usr/sbin/policy-rc.d';
const aside = `${policy}.restflow-saved`;
let listsUpdated = false;

/** What policy-rc.d answers when a package may not start its service. */
const forbidden = 101;

/**
 * Packages start their service as they are installed, unless policy-rc.d, which Debian asks first, says no.
 * Answers how to restore what was there.
 */
async function forbidServices(reaper) {
  const present = existsSync(policy);
  if (present && (await capture(policy, ['any-service', 'start'])).code === forbidden) return async () => {};
  const restore = present ? reaper.rename(aside, policy) : reaper.remove(policy);
  if (present) renameSync(policy, aside);
  writeFileSync(policy, `#!/bin/sh\nexit ${forbidden}\n`, { mode: 0o755 });
  return restore;
}

/** Installs a Debian package, or several with spaces between their names. Answers why it could not, or `undefined` when it did. */
export async function installPackage(name, reaper) {
  if (process.platform !== 'linux' || !existsSync('/usr/bin/apt-get')) return 'this machine has no apt-get';
  if (process.getuid() !== 0) return `installing the Debian package ${name} needs root`;

  const options = ['-q', '-y', '-o', 'DPkg::Lock::Timeout=180'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) => capture('apt-get', [...options, ...args], { env });

  console.log(`Installing the Debian package ${name} …`);
  if (!listsUpdated) {
    // A stale list of one repository must not stop an install that the others can serve.
    await apt('update');
    listsUpdated = true;
  }
  const allowServices = await forbidServices(reaper);
  try {
    const { code, output } = await apt('install', '--no-install-recommends', ...name.split(' '));
    return code === 0 ? undefined : `apt-get install ${name} failed: ${output.trim().split('\n').at(-1)}`;
  } finally {
    await allowServices();
  }
}
