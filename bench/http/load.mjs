// The load: 32 keep-alive connections over node:net, each with one request in flight. It does as little as possible for
// a response, find where it ends, so that the servers are what is measured.
import { connect } from 'node:net';

const CONNECTIONS = 32;
const HEAD_END = Buffer.from('\r\n\r\n');

/** One connection: sends the request again whenever the answer to the last one is complete. */
class Connection {
  #socket;
  #request;
  #missing = 0;
  #head;
  answers = 0;
  length = 0;

  constructor(port, fail) {
    this.#request = Buffer.from(
      `GET /payload HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: application/json\r\n\r\n`,
    );
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk) => this.#read(chunk));
    this.#socket.on('error', fail);
    this.#socket.on('end', () => fail(new Error('a connection was closed by the server')));
    this.fail = fail;
  }

  start() {
    this.#socket.write(this.#request);
  }

  stop() {
    this.#socket.destroy();
  }

  #read(chunk) {
    if (this.#missing > 0) {
      this.#missing -= chunk.length;
    } else {
      const bytes = this.#head === undefined ? chunk : Buffer.concat([this.#head, chunk]);
      const end = bytes.indexOf(HEAD_END);
      if (end < 0) {
        this.#head = bytes;
        return;
      }
      this.#head = undefined;
      const head = bytes.latin1Slice(0, end);
      const length = /\r\ncontent-length: *(\d+)/i.exec(head);
      if (!head.startsWith('HTTP/1.1 200') || length === null)
        return this.fail(new Error(`unexpected answer: ${head}`));
      this.length = Number(length[1]);
      this.#missing = this.length - (bytes.length - end - HEAD_END.length);
    }
    if (this.#missing > 0) return;
    this.answers++;
    this.#socket.write(this.#request);
  }
}

function measure({ port, seconds }) {
  return new Promise((resolve, reject) => {
    const connections = Array.from({ length: CONNECTIONS }, () => new Connection(port, reject));
    const total = () => connections.reduce((sum, { answers }) => sum + answers, 0);
    for (const connection of connections) connection.start();
    // The first moments open connections.
    setTimeout(() => {
      const before = total();
      const began = performance.now();
      setTimeout(() => {
        const rate = ((total() - before) / (performance.now() - began)) * 1000;
        for (const connection of connections) connection.stop();
        if (connections[0].length < 2500) reject(new Error(`the body has ${connections[0].length} bytes`));
        resolve({ rate, answers: total() });
      }, seconds * 1000);
    }, 150);
  });
}

process.on('message', (order) => {
  measure(order).then(
    (measured) => process.send(measured),
    (error) => process.send({ error: error.message }),
  );
});
process.on('disconnect', () => process.exit());
process.send({ ready: true });
