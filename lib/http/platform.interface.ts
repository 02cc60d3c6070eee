/** A header as it goes on the wire: repeated headers keep their values apart. */
export type HeaderValue = string | readonly string[];

/** A response as it was sent at our layer, reduced to what may be replayed to another request. */
export interface RecordedResponse {
  readonly status: number;
  /**
   * The difference to the headers that were present when the interceptor began: added or changed ones, with the name
   * as it went out (lower case where Fastify sent it). Never Set-Cookie, never hop-by-hop.
   */
  readonly headers: readonly (readonly [name: string, value: HeaderValue])[];
  /** Lower-case names of headers that the handler removed. */
  readonly removed: readonly string[];
  /** Members that the handler appended to `Vary`; `['*']` for `Vary: *`. */
  readonly vary: readonly string[];
  readonly body: Buffer;
  /** How it was sent, where not as most are. */
  readonly manner?: SendingManner | undefined;
}

/** How a response was sent, as far as a replay must do the same to be equal on the wire. */
export interface SendingManner {
  /** A reason phrase of the handler's own. HTTP/2 has none. */
  readonly reason?: string;
  /** On Fastify: the handler wrote on Node's response, past the hooks that see replies. */
  readonly onRaw?: true;
  /** Node writes a head beyond ASCII as UTF-8 where its body is text, and as Latin-1 where it is bytes. */
  readonly asText?: true;
}

/** Why a response was not recorded. */
export type RecordingRefusal =
  | 'aborted' // the client went away or the handler failed before the response was complete; or it was a HEAD
  | 'too-large' // the body exceeded the bound
  | 'hijacked' // the handler upgraded the connection or took the socket
  | 'event-stream' // server-sent events have no end to wait for
  | 'set-cookie'
  | 'trailers'
  | 'length-mismatch'
  | 'replaced'; // another response went out in its place

export type Recording =
  | {
      readonly response: RecordedResponse;
      /** Cache-Control as it went out, where layers below this one may have changed it. */
      readonly sentCacheControl?: string | undefined;
      readonly refusal?: undefined;
    }
  | { readonly response?: undefined; readonly refusal: RecordingRefusal; readonly status?: number };

/** Which extra headers our layer adds to the live response after it was judged, both on a miss and on a hit. */
export interface AddedHeaders {
  readonly [name: string]: string;
}

export interface RecordOptions {
  /** Largest body that is kept, in bytes. */
  readonly maxBodyBytes: number;
  /** Keeps Date, and Vary as it is spelt: for a cache that goes by the headers of what it stores. */
  readonly verbatim?: boolean;
  /**
   * Called once with the complete head as the handler left it, just before it goes out, with the body where it is one
   * chunk: may say which headers to add to the live response (ETag, Cache-Control, X-Cache-Status), or answer `304`
   * semantics with `notModified`. Called also for responses that will be refused later.
   */
  head(head: ResponseHead): HeadDecision | undefined;
  /** Called exactly once, when the response is complete, refused, or aborted. */
  done(recording: Recording): void;
}

export interface ResponseHead {
  readonly status: number;
  /** Lower-case names; the live headers at our layer. */
  readonly headers: Readonly<Record<string, string | string[] | number | undefined>>;
  /** Those of them that would be recorded. */
  readonly changed: RecordedResponse['headers'];
  /** The whole body, when it is known as the head goes out. */
  readonly body: Buffer | undefined;
}

export interface HeadDecision {
  readonly add?: AddedHeaders;
  /** Send `304 Not Modified` without the body; what is recorded stays the full response. */
  readonly notModified?: boolean;
  /** Send this instead: what the handler sends goes nowhere, but for its Set-Cookie, and is not recorded. */
  readonly replaceBy?: Replacement;
}

/** A recorded response, and how it is to be sent. */
export interface Replacement extends ReplayOptions {
  readonly recorded: RecordedResponse;
}

export interface ReplayOptions {
  /** Headers to add after the stored ones. */
  readonly add: AddedHeaders;
  /** Send 304 without a body. */
  readonly notModified: boolean;
  /** HEAD: the head only, with the Content-Length of the body. */
  readonly headOnly: boolean;
}

/** Lets the caller of `record()` end a recording while the handler runs. */
export interface RecordingControl {
  /**
   * The handler failed, or was cancelled by a timeout. If its answer had begun, the exception
   * filter ends it where it stands, which looks complete on the wire: it is refused as 'aborted'. If it had not, the
   * answer of the exception filter is recorded.
   */
  fail(): void;
}

/** Everything the http room must know about one platform. `Request`/`Response` are the platform's own objects. */
export interface HttpPlatform {
  readonly name: 'express' | 'fastify';
  /**
   * Start recording; must be called before the handler runs. A HEAD is never recorded (`head()` is called, `done()`
   * says 'aborted').
   */
  record(request: object, response: object, options: RecordOptions): RecordingControl;
  /**
   * Send a recorded response now. Returns the value the interceptor emits, whose final reply by Nest is a no-op for
   * this response (also for `@Redirect()`, `@Render()` and `@HttpCode()` handlers).
   */
  replay(request: object, response: object, recorded: RecordedResponse, options: ReplayOptions): unknown;
  /** Like `replay`, before Nest's pipeline: Nest will not reply. A 206 is kept from being encoded. */
  send(request: object, response: object, recorded: RecordedResponse, options: ReplayOptions): void;
  /** True if something between this layer and the wire may encode what it is given. */
  mayEncode(request: object, response: object): boolean;
  /** The pattern of the matched route, e.g. `/articles/:slug`. */
  routePath(request: object): string;
}

/** Properties of a connection that handlers and `trust proxy` read. */
export interface Peer {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly remoteFamily?: string | undefined;
  readonly encrypted?: boolean | undefined;
}
