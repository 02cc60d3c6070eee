// The load: keep-alive connections over node:net, each with one request in flight. It reads the head of the first two answers of a
// connection; all that follow have the length of the second, so that it only counts bytes, and the servers are what is measured.
import { connect } from 'node:net';
import { serve } from './processes.mjs';

const HEAD_END = Buffer.from('\r\n\r\n');
const FIRST_BYTE = 'H'.charCodeAt(0);
/** Digits in a path that make each request another one, for misses, and one of a thousand at random. */
const COUNTER = '{n}';
const RANDOM = '{k}';
const RANDOM_KEYS = 1_000;

/** One connection: sends the request again whenever the answer to the last one is complete. */
class Connection {
  #socket;
  #order;
  #request;
  #fail;
  #begun = Buffer.alloc(0);
  #missing = 0;
  answers = 0;
  /** Bytes of an answer, its head included; not before the second one, as the first may say MISS. */
  length = 0;

  constructor(order, fail) {
    this.#order = order;
    this.#fail = fail;
    const { port, path, headers, host = `127.0.0.1:${port}` } = order;
    this.#request =
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAccept: application/json\r\n` +
      `${Object.entries(headers)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join('')}\r\n`;
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk) => (this.length > 0 ? this.#count(chunk) : this.#read(chunk)));
    this.#socket.on('error', fail);
    this.#socket.on('end', () => fail(new Error('a connection was closed by the server')));
    if (!path.includes(COUNTER) && !path.includes(RANDOM)) this.#request = Buffer.from(this.#request);
  }

  ask() {
    const request = this.#request;
    this.#socket.write(typeof request === 'string' ? numbered(request) : request);
  }

  stop() {
    this.#socket.destroy();
  }

  #read(chunk) {
    this.#begun = Buffer.concat([this.#begun, chunk]);
    const end = this.#begun.indexOf(HEAD_END);
    if (end < 0) return;
    const head = this.#begun.latin1Slice(0, end);
    const { status, body: least } = this.#order;
    const body = status === 304 ? 0 : Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1]);
    if (!head.startsWith(`HTTP/1.1 ${status}`) || !(body >= least))
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

let next = 0;

function numbered(request) {
  const random = Math.floor(Math.random() * RANDOM_KEYS);
  return request
    .replace(COUNTER, String(next++).padStart(9, '0'))
    .replace(RANDOM, String(random).padStart(9, '0'));
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @returns requests per second, and how many were answered from the first to the last */
function measure(order) {
  const { connections: count = 32, seconds = 0.6 } = order;
  return new Promise((resolve, reject) => {
    const full = { path: '/payload', headers: {}, status: 200, body: 2500, ...order };
    if (full.status === 304) full.body = 0;
    const connections = Array.from({ length: count }, () => new Connection(full, reject));
    const total = () => connections.reduce((sum, { answers }) => sum + answers, 0);
    const run = async () => {
      for (const connection of connections) connection.ask();
      // The first moments open connections.
      await pause(100);
      const before = total();
      const began = performance.now();
      await pause(seconds * 1000);
      const rate = ((total() - before) / (performance.now() - began)) * 1000;
      for (const connection of connections) connection.stop();
      return { rate, answers: total() };
    };
    run().then(resolve, reject);
  });
}

serve(measure);
