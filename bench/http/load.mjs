// The load: 32 keep-alive connections over node:net, each with one request in flight. It reads the head of the first two
// answers of a connection; all that follow have the length of the second, so that it only counts bytes, and the servers are
// what is measured.
import { connect } from 'node:net';

const CONNECTIONS = 32;
const HEAD_END = Buffer.from('\r\n\r\n');
const FIRST_BYTE = 'H'.charCodeAt(0);

/** One connection: sends the request again whenever the answer to the last one is complete. */
class Connection {
  #socket;
  #request;
  #fail;
  #begun = Buffer.alloc(0);
  #missing = 0;
  answers = 0;
  /** Bytes of an answer, its head included; not before the second one, as the first may say MISS. */
  length = 0;

  constructor(port, fail) {
    this.#fail = fail;
    this.#request = Buffer.from(
      `GET /payload HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: application/json\r\n\r\n`,
    );
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk) => (this.length > 0 ? this.#count(chunk) : this.#read(chunk)));
    this.#socket.on('error', fail);
    this.#socket.on('end', () => fail(new Error('a connection was closed by the server')));
  }

  ask() {
    this.#socket.write(this.#request);
  }

  stop() {
    this.#socket.destroy();
  }

  #read(chunk) {
    this.#begun = Buffer.concat([this.#begun, chunk]);
    const end = this.#begun.indexOf(HEAD_END);
    if (end < 0) return;
    const head = this.#begun.latin1Slice(0, end);
    const body = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1]);
    if (!head.startsWith('HTTP/1.1 200') || !(body > 2500))
      return this.#fail(new Error(`unexpected answer: ${head}`));
    const length = end + HEAD_END.length + body;
    if (this.#begun.length < length) return;
    this.#begun = Buffer.alloc(0);
    if (++this.answers === 2) this.#missing = this.length = length;
    this.ask();
  }

  #count(chunk) {
    if (this.#missing === this.length && chunk[0] !== FIRST_BYTE)
      return this.#fail(new Error('answers differ in their length'));
    this.#missing -= chunk.length;
    if (this.#missing > 0) return;
    if (this.#missing < 0) return this.#fail(new Error('answers differ in their length'));
    this.#missing = this.length;
    this.answers++;
    this.ask();
  }
}

function measure({ port, seconds }) {
  return new Promise((resolve, reject) => {
    const connections = Array.from({ length: CONNECTIONS }, () => new Connection(port, reject));
    const total = () => connections.reduce((sum, { answers }) => sum + answers, 0);
    for (const connection of connections) connection.ask();
    // The first moments open connections.
    setTimeout(() => {
      const before = total();
      const began = performance.now();
      setTimeout(() => {
        const rate = ((total() - before) / (performance.now() - began)) * 1000;
        for (const connection of connections) connection.stop();
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
