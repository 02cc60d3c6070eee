// nginx with proxy_cache before an application: one worker, whose processor time Linux tells.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const configuration = ({ folder, port, origin }) => `
worker_processes 1;
daemon off;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events { worker_connections 256; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  proxy_cache_path ${folder}/cache keys_zone=cache:10m;
  open_file_cache max=1000;
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://127.0.0.1:${origin};
      proxy_cache cache;
      proxy_cache_valid 200 1h;
    }
  }
}
`;

/** As a server that the tests bring up: from the machine, or its Debian package. */
export const nginx = (origin) => ({
  name: 'nginx',
  variable: 'BENCH_NGINX_URL',
  example: 'http://127.0.0.1:8080',
  binaries: ['nginx'],
  package: 'nginx-light',
  async start(machine) {
    const port = await machine.freePort();
    mkdirSync(join(machine.folder, 'cache'));
    writeFileSync(
      join(machine.folder, 'nginx.conf'),
      configuration({ folder: machine.folder, port, origin }),
    );
    // Its workers would run as a user who may not write into the folder.
    machine.spawn('nginx', ['-c', join(machine.folder, 'nginx.conf'), '-g', userOf()]);
    const url = `http://127.0.0.1:${port}`;
    await machine.ready(() => this.probe(url));
    return `${url}/?${readFileSync(join(machine.folder, 'nginx.pid'), 'utf8').trim()}`;
  },
  async composeUrl() {
    throw new Error('its processor time is read from /proc: install its Debian package');
  },
  async probe(url) {
    await fetch(url);
  },
});

const userOf = () => (process.getuid?.() === 0 ? 'user root;' : '');

/** The port of a server that {@link nginx} started, and the process that does its work. */
export function workerOf(url) {
  const { port, search } = new URL(url);
  const master = search.slice(1);
  const children = readFileSync(`/proc/${master}/task/${master}/children`, 'utf8').trim().split(' ');
  const pid = children.find((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('worker'));
  return { port: Number(port), pid };
}

/** The processor time of a process, in microseconds: Linux counts it to the nanosecond. */
export function cpuOf(pid) {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1000;
}
