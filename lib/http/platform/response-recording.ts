import { STATUS_CODES } from 'node:http';
import type {
  HeadDecision,
  RecordedResponse,
  Recording,
  RecordingControl,
  RecordingRefusal,
  RecordOptions,
  SendingManner,
} from '../platform.interface.js';
import { hasNoBody } from './replayed-head.js';
import {
  type HeaderDifference,
  headerDifference,
  type HeaderSnapshot,
  snapshotHeaders,
} from './header-difference.js';
import type { Bytes, LiveHeaders } from './raw-response.interface.js';
import { RecordedBody } from './recorded-body.js';

/** The head of a response when it is sent at our layer. */
export interface LiveHead {
  readonly status: number;
  readonly headers: LiveHeaders;
  /** Header names as they were spelt, if the platform keeps the spelling. */
  readonly spellings?: readonly string[];
  /** The whole body, if it is sent together with the head. */
  readonly body: Buffer | undefined;
  readonly reason: string | undefined;
  /** True if it is written to Node's response, although answers are replayed on the platform's. */
  readonly onRaw?: boolean;
}

interface JudgedHead extends LiveHead {
  readonly difference: HeaderDifference;
  readonly declaredLength: number | undefined;
  readonly isAscii: boolean;
}

/**
 * The recording of one response, on any platform: the head is judged once, chunks are added, and it settles exactly once, complete or
 * refused. Nothing here touches the live response.
 */
export class ResponseRecording implements RecordingControl {
  readonly #method: string | undefined;
  readonly #before: HeaderSnapshot;
  readonly #options: RecordOptions;
  readonly #body: RecordedBody;
  /** Returns Cache-Control as it was sent, after that. */
  sentCacheControl: () => string | undefined = () => undefined;
  #head: JudgedHead | undefined;
  #settled = false;
  #beginsAsText: boolean | undefined;
  #releases: (() => void)[] = [];

  constructor(method: string | undefined, headersBefore: LiveHeaders, options: RecordOptions) {
    this.#method = method;
    this.#before = snapshotHeaders(headersBefore);
    this.#options = options;
    this.#body = new RecordedBody(options.maxBodyBytes);
  }

  /** Headers that were set before the handler ran. */
  get headersBefore(): HeaderSnapshot {
    return this.#before;
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** True if the head has passed our layer. */
  get judged(): boolean {
    return this.#head !== undefined;
  }

  /** Runs when the recording settles, to remove listeners and patches. */
  onSettled(release: () => void): void {
    if (this.#settled) release();
    else this.#releases.push(release);
  }

  /** Judges the head before this cache adds headers to it. @returns headers to add */
  judge(head: LiveHead): HeadDecision | undefined {
    const after = snapshotHeaders(head.headers);
    const difference = headerDifference(this.#before, after, head.spellings, this.#options.verbatim);
    const isAscii = isAsciiAlone(after);
    const length = after.get('content-length');
    const declaredLength = length === undefined ? undefined : Number(length);
    this.#head = { ...head, difference, declaredLength, isAscii };
    let decision: HeadDecision | undefined;
    try {
      decision = this.#options.head({ ...head, changed: difference.headers });
    } catch (error) {
      warnOf(error);
    }
    const refusal = decision?.replaceBy === undefined ? this.#refusalOf(after) : undefined;
    if (refusal) this.refuse(refusal);
    return decision;
  }

  /** Adds a chunk that is being sent. */
  add(chunk: Bytes, encoding?: BufferEncoding): void {
    this.#beginsAsText ??= typeof chunk === 'string' && (encoding === undefined || encoding === 'utf8');
    if (!this.#settled && !this.#body.add(chunk, encoding)) this.refuse('too-large');
  }

  /** The last byte was written. */
  complete(): void {
    const head = this.#head;
    if (this.#settled || !head) return;
    const { declaredLength, status } = head;
    const isComplete = declaredLength === undefined || declaredLength === this.#body.length;
    if (!isComplete && !hasNoBody(status)) this.refuse('length-mismatch');
    else this.#settle({ response: this.#responseOf(head), sentCacheControl: this.sentCacheControl() });
  }

  /** Only the first reason counts. */
  refuse(refusal: RecordingRefusal): void {
    if (!this.#settled) this.#settle({ refusal, status: this.#head?.status });
  }

  /** Before the head is sent, an exception filter can still answer; then its answer is recorded. */
  fail(): void {
    if (this.judged) this.refuse('aborted');
  }

  #refusalOf(headers: HeaderSnapshot): RecordingRefusal | undefined {
    const { status, difference } = this.#head!;
    if (status === 101) return 'hijacked';
    // The body of a HEAD was suppressed by the handler or by Node: there is nothing to replay to a GET.
    if (this.#method === 'HEAD') return 'aborted';
    if (difference.setsCookie) return 'set-cookie';
    if (headers.has('trailer')) return 'trailers';
    if (/^\s*text\/event-stream/i.test(String(headers.get('content-type') ?? ''))) return 'event-stream';
    return undefined;
  }

  #responseOf(head: JudgedHead): RecordedResponse {
    const { status } = head;
    const { headers, removed, vary } = head.difference;
    const body = hasNoBody(status) ? Buffer.allocUnsafeSlow(0) : this.#body.toBuffer();
    return Object.freeze({ status, headers, removed, vary, body, manner: this.#mannerOf(head) });
  }

  #mannerOf({ status, reason, onRaw, isAscii, body, declaredLength }: JudgedHead): SendingManner | undefined {
    const hasReason = Boolean(reason) && reason !== STATUS_CODES[status];
    // A head that is sent before its body, or with the size of a chunk, is always Latin-1.
    const goesWithBody = body !== undefined || declaredLength !== undefined;
    const asText = !isAscii && goesWithBody && this.#beginsAsText === true;
    if (!hasReason && onRaw !== true && !asText) return undefined;
    return {
      ...(hasReason && { reason: reason! }),
      ...(onRaw === true && { onRaw: true }),
      ...(asText && { asText: true }),
    };
  }

  #settle(recording: Recording): void {
    this.#settled = true;
    this.#body.clear();
    for (const release of this.#releases) release();
    this.#releases = [];
    try {
      this.#options.done(recording);
    } catch (error) {
      warnOf(error);
    }
  }
}

function isAsciiAlone(headers: HeaderSnapshot): boolean {
  for (const value of headers.values()) if (/[\u0080-\uffff]/.test(String(value))) return false;
  return true;
}

/** Reports a fault of the cache to the process: it must not fail the client's response. */
function warnOf(error: unknown): void {
  process.emitWarning(String((error as Error | undefined)?.stack ?? error), 'RestflowCacheWarning');
}
