import { afterEach, describe, expect, it } from '@jest/globals';
import { BackgroundDispatcher } from '../../lib/dispatchers/index.js';
import { Sender, combinedState } from '../../lib/dispatchers/sender.js';
import {
  InvalidationDispatcher,
  type Dispatcher,
  type DispatcherHost,
  type InvalidationJob,
} from '../../lib/index.js';
import { Applications } from '../cache/support/methods.js';
import { until } from '../dispatchers/support/world.js';
import { Deferred, Gate, settled } from '../support/gate.js';

const { start, close } = new Applications();
afterEach(close);

const job = (id: string): InvalidationJob => ({
  id,
  namespace: 'n',
  rule: 'r',
  tags: [id],
  mode: 'purge',
  done: false,
});

@InvalidationDispatcher('mine')
class Mine implements Dispatcher {
  tell: () => 'up' | 'down' = () => 'up';
  host: DispatcherHost | undefined;

  dispatch(): void {}
  start(host: DispatcherHost): void {
    this.host = host;
  }
  state() {
    return { status: this.tell(), waitingJobs: 7 };
  }
}

describe('the health of an application', () => {
  it('is degraded while a dispatcher is down, or its state() fails', async () => {
    const mine = new Mine();
    const { cache } = await start([], { dispatchers: [mine] });
    const background = { status: 'up', waitingJobs: 0 };
    const well = { mine: { status: 'up', waitingJobs: 7 }, background };
    expect(cache.health()).toMatchObject({ status: 'up', dispatchers: well });
    mine.tell = () => 'down';
    const away = { mine: { status: 'down', waitingJobs: 7 }, background };
    expect(cache.health()).toMatchObject({ status: 'degraded', dispatchers: away });
    mine.tell = () => {
      throw new Error('no');
    };
    const unknown = { mine: { status: 'down', waitingJobs: 0 }, background };
    expect(cache.health()).toMatchObject({ status: 'degraded', dispatchers: unknown });
  });
});

describe('the metrics of dispatchers', () => {
  it('list all dispatchers from the boot on, and count the failures that they report', async () => {
    const mine = new Mine();
    const { cache } = await start([], { dispatchers: [mine] });
    const none = { jobs: 0, carriedOut: 0, failures: 0, waitingJobs: 0 };
    expect(cache.metrics().dispatchers).toEqual({
      inline: none,
      background: none,
      mine: { ...none, waitingJobs: 7 },
    });
    // The log says it once.
    for (let i = 0; i < 3; i++) mine.host!.failed('topic', 'A queue is away', new Error('away'));
    expect(cache.metrics().dispatchers['mine']).toMatchObject({ failures: 3 });
  });
});

describe('the waiting jobs', () => {
  it('of a sender are those that its queue did not accept, and those being sent; it is down until they are accepted', async () => {
    const taken = new Deferred();
    let attempts = 0;
    const send = (): Promise<void> => (++attempts === 1 ? Promise.reject(new Error('away')) : taken.promise);
    const sender = new Sender('the queue', send, { coarser: () => undefined, failed: () => undefined });
    expect(sender.state).toEqual({ status: 'up', waitingJobs: 0 });
    await sender.add([job('a'), job('b')]);
    expect(sender.state).toEqual({ status: 'down', waitingJobs: 2 });
    const idle = new Sender('another', send, { coarser: () => undefined, failed: () => undefined });
    expect(combinedState([sender, idle])).toEqual({ status: 'down', waitingJobs: 2 });
    await until(() => attempts === 2, 'the second attempt');
    expect(sender.state).toEqual({ status: 'down', waitingJobs: 2 });
    taken.resolve();
    await sender.close();
    expect(sender.state).toEqual({ status: 'up', waitingJobs: 0 });
  });

  it('of the background dispatcher are those that are queued or running', async () => {
    const dispatcher = new BackgroundDispatcher();
    const gate = new Gate();
    const jobs = Array.from({ length: 6 }, (_, i) => job(`${i}`));
    dispatcher.dispatch(jobs, { config: {}, handle: () => gate.pass() });
    expect(dispatcher.state()).toEqual({ status: 'up', waitingJobs: 6 });
    await gate.reached(4);
    gate.next();
    await gate.reached(5);
    expect(dispatcher.state()).toEqual({ status: 'up', waitingJobs: 5 });
    gate.open();
    await settled();
    expect(dispatcher.state()).toEqual({ status: 'up', waitingJobs: 0 });
  });
});
