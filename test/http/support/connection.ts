import { connect, type Socket } from 'node:net';
import { unchunked } from './wire.js';

/** What a server answered to bytes; status 0 where it hung up without an answer. */
export interface RawAnswer {
  readonly status: number;
  /** As it came, names and all. */
  readonly head: string;
  readonly body: Buffer;
}

const HUNG_UP: RawAnswer = { status: 0, head: '', body: Buffer.alloc(0) };

/** Servers close connections that nobody uses, and may do so as a request is on its way. Milliseconds. */
const MAX_IDLE = 1000;

/**
 * Sends any bytes as a request, well-formed or not, one after the other over one connection, as long as that may last.
 */
export class RawConnection {
  #socket: Socket | undefined;
  #usedAt = 0;

  constructor(private readonly port: number) {}

  ask(bytes: Buffer, method: string): Promise<RawAnswer> {
    if (Date.now() - this.#usedAt > MAX_IDLE) this.close();
    const socket = (this.#socket ??= connect(this.port, '127.0.0.1'));
    return new Promise((resolve) => {
      let received = Buffer.alloc(0);
      const settle = (answer: RawAnswer, closes: boolean): void => {
        socket.removeAllListeners();
        // What comes late concerns nobody.
        socket.on('error', () => undefined);
        this.#usedAt = Date.now();
        if (closes) this.close();
        resolve(answer);
      };
      socket.on('data', (chunk) => {
        received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
        const answer = answerIn(received, method, false);
        // After what it cannot parse a server hangs up, and not every one says so.
        if (answer !== undefined)
          settle(answer, answer.status >= 400 || /\nconnection: *close/i.test(answer.head));
      });
      const closed = (): void => {
        settle(answerIn(received, method, true) ?? HUNG_UP, true);
      };
      socket.on('error', closed);
      socket.on('close', closed);
      socket.write(bytes);
    });
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }
}

/** The final answer in what came; nothing while it is not complete. */
function answerIn(bytes: Buffer, method: string, isAll: boolean): RawAnswer | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = bytes.toString('latin1', 0, end);
  const status = Number(head.split(' ', 2)[1]);
  const rest = bytes.subarray(end + 4);
  if (status < 200 && status !== 101) return answerIn(rest, method, isAll);
  const body = bodyIn(rest, head, isAll, method === 'HEAD' || status === 204 || status === 304);
  return body && { status, head, body };
}

function bodyIn(rest: Buffer, head: string, isAll: boolean, isEmpty: boolean): Buffer | undefined {
  if (isEmpty) return Buffer.alloc(0);
  if (/\ntransfer-encoding: *chunked/i.test(head)) {
    // The last chunk has no bytes.
    return rest.subarray(-5).toString() === '0\r\n\r\n' ? unchunked(rest) : undefined;
  }
  const length = /\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined) return isAll ? rest : undefined;
  return rest.length >= Number(length) ? rest.subarray(0, Number(length)) : undefined;
}
