import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const prometheus = {
  name: 'prometheus',
  variable: 'TEST_PROMETHEUS_URL',
  example:
    'http://127.0.0.1:9090/?targets=/etc/prometheus/targets.json, where it reads its targets from that file',
  binaries: ['prometheus', 'promtool'],
  package: 'prometheus',
  async start(machine) {
    const port = await machine.freePort();
    // Specs write into this file which applications are scraped.
    const targets = join(machine.folder, 'targets.json');
    writeFileSync(targets, '[]');
    const config = join(machine.folder, 'prometheus.yml');
    const scrape = { job_name: 'test', file_sd_configs: [{ files: [targets], refresh_interval: '1s' }] };
    // JSON is YAML.
    writeFileSync(
      config,
      JSON.stringify({
        global: { scrape_interval: '500ms', scrape_timeout: '400ms' },
        scrape_configs: [scrape],
      }),
    );
    machine.spawn('prometheus', [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(machine.folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ]);
    const url = `http://127.0.0.1:${port}/?targets=${encodeURIComponent(targets)}`;
    await machine.ready(() => this.probe(url));
    return url;
  },
  async composeUrl() {
    throw new Error('it reads its targets from a file of this machine: install its binaries');
  },
  async probe(url) {
    const response = await fetch(new URL('/-/ready', url));
    if (!response.ok) throw new Error(`it answers ${response.status}`);
  },
};
