import { fork } from 'node:child_process';
import { basename } from 'node:path';

/** A process of a benchmark: what is measured, or the load. It answers each message that it is sent with one message. */
export class Process {
  #child;
  #errors = '';

  /**
   * @param {URL} file that sends a message when it is ready
   * @param {object} options that it finds, as JSON, in its first argument
   */
  static async start(file, options = {}, flags = []) {
    const one = new Process();
    one.#child = fork(file, [JSON.stringify(options)], {
      execArgv: ['--expose-gc', ...flags],
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    one.#child.stderr.setEncoding('utf8').on('data', (text) => (one.#errors += text));
    one.name = `${basename(file.pathname)} ${JSON.stringify(options)}`;
    one.ready = await one.#next();
    return one;
  }

  /** Sends a message and waits for the answer. @throws what the process says went wrong, or that it ended */
  async ask(message) {
    const answer = this.#next();
    this.#child.send(message);
    return answer;
  }

  stop() {
    this.#child.removeAllListeners();
    this.#child.kill();
  }

  #next() {
    return new Promise((resolve, reject) => {
      const ended = (code) => {
        const reason = /^\w*Error.*$/m.exec(this.#errors)?.[0] ?? `code ${code}`;
        reject(new Error(`${this.name} ended: ${reason}`));
      };
      this.#child.once('close', ended);
      this.#child.once('message', (message) => {
        this.#child.off('close', ended);
        if (message?.error === undefined) resolve(message);
        else reject(new Error(`${this.name}: ${message.error}`));
      });
    });
  }
}

/**
 * The other side: answers messages, and ends with the process that started it.
 * @param {(message: object) => unknown} answer
 * @param {object} ready what the starter gets at once
 */
export function serve(answer, ready = {}) {
  process.on('message', async (message) => {
    try {
      process.send(await answer(message));
    } catch (error) {
      process.send({ error: error.stack ?? String(error) });
    }
  });
  process.on('disconnect', () => process.exit());
  process.on('SIGTERM', () => process.exit());
  process.send(ready);
}

/** The options that {@link Process.start} was given. */
export const options = () => JSON.parse(process.argv[2] ?? '{}');
