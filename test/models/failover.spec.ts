import { describe, expect, it } from '@jest/globals';
import { explore, PROTOCOLS } from './failover.js';

describe('the rule of a failover, explored over all interleavings of three processes,', () => {
  it('serves nothing stale', () => {
    const { states, stores, example } = explore('rule', process.env['SOAK'] === '1' ? [0, 1, 1] : [0, 1, 0]);
    process.stderr.write(`failover: ${states} states, ${stores} stores\n`);
    expect(example).toBeUndefined();
    expect(Math.min(states, stores)).toBeGreaterThan(1_000);
  });

  it.each(PROTOCOLS.filter((protocol) => protocol !== 'rule'))('serves stale values %s', (protocol) => {
    expect(explore(protocol).example).toContain('was acknowledged');
  });
});
