import type { ReplicationClient } from './replication-slot.js';

/** The parts of the connection of a `pg` client that carry a stream in both directions. */
interface ReplicationConnection {
  on(event: 'copyData', listener: (message: { readonly chunk: Buffer }) => void): unknown;
  once(event: 'replicationStart', listener: () => void): unknown;
  sendCopyFromChunk(chunk: Buffer): void;
}

const DATA = 'w'.charCodeAt(0);
const KEEP_ALIVE = 'k'.charCodeAt(0);
const STATUS = 'r'.charCodeAt(0);

/** Microseconds between 1970 and 2000, where PostgreSQL's clock begins. */
const EPOCH = 946_684_800_000_000n;
/** After this long without a message, though the server was asked for one, the connection is dead. Milliseconds. */
const SILENCE_MS = 30_000;

/**
 * The stream of a replication slot. It acknowledges only what it is told to: clients that acknowledge by themselves, by a timer or at
 * the receipt, lose the changes whose invalidation a killed process did not finish.
 *
 * @see https://www.postgresql.org/docs/current/protocol-replication.html
 */
export class ReplicationStream {
  onData: (message: Buffer, end: bigint) => void = () => {};
  /** The server has sent everything up to here. */
  onIdle: (end: bigint) => void = () => {};
  onSilence: () => void = () => {};
  readonly #connection: ReplicationConnection;
  #acknowledged = 0n;
  #heardAt = Date.now();
  #isStarted = false;

  constructor(private readonly client: ReplicationClient) {
    this.#connection = (client as unknown as { connection: ReplicationConnection }).connection;
    this.#connection.on('copyData', ({ chunk }) => this.#receive(chunk));
  }

  /** Rejects when the server refuses, resolves when it ends the stream. */
  async start(sql: string, started: () => void): Promise<void> {
    this.#connection.once('replicationStart', () => {
      this.#isStarted = true;
      started();
    });
    await this.client.query(sql);
    throw new Error('The server ended the stream.');
  }

  acknowledge(position: bigint): void {
    if (position > this.#acknowledged) this.#acknowledged = position;
    this.#sendStatus(false);
  }

  /** Tells the server that this process lives, and asks whether the server does. */
  keepAlive(): void {
    if (!this.#isStarted) return;
    if (Date.now() - this.#heardAt > SILENCE_MS) return this.onSilence();
    this.#sendStatus(true);
  }

  #receive(chunk: Buffer): void {
    this.#heardAt = Date.now();
    if (chunk[0] === DATA) return this.onData(chunk.subarray(25), chunk.readBigUInt64BE(1));
    if (chunk[0] !== KEEP_ALIVE) return;
    this.onIdle(chunk.readBigUInt64BE(1));
    if (chunk[17] === 1) this.#sendStatus(false);
  }

  #sendStatus(wantsReply: boolean): void {
    const status = Buffer.alloc(34);
    status[0] = STATUS;
    // Received, flushed and applied. Before the first acknowledgement it is none: the slot knows better.
    for (const at of [1, 9, 17]) status.writeBigUInt64BE(this.#acknowledged, at);
    status.writeBigInt64BE(BigInt(Date.now()) * 1_000n - EPOCH, 25);
    status[33] = Number(wantsReply);
    this.#connection.sendCopyFromChunk(status);
  }
}
