/** A header as it was sent: repeated headers keep separate values. */
export type HeaderValue = string | readonly string[];

/** A response as it was sent at our layer, reduced to the part that may be replayed to other requests. */
export interface RecordedResponse {
  readonly status: number;
  /**
   * Headers that were added or changed since the interceptor began, with their names as sent (lower case on Fastify). Never Set-Cookie,
   * never hop-by-hop headers.
   */
  readonly headers: readonly (readonly [name: string, value: HeaderValue])[];
  /** Lower-case names of headers that the handler removed. */
  readonly removed: readonly string[];
  /** Members that the handler appended to `Vary`; `['*']` for `Vary: *`. */
  readonly vary: readonly string[];
  readonly body: Buffer;
  /** How it was sent, if not in the usual way. */
  readonly manner?: SendingManner | undefined;
}

/** How a response was sent: a replay must do the same to send equal bytes. */
export interface SendingManner {
  /** The handler's own reason phrase. HTTP/2 has none. */
  readonly reason?: string;
  /** On Fastify: the handler wrote to Node's response, without the hooks of replies. */
  readonly onRaw?: true;
  /** The body was text: Node encodes a head with characters beyond ASCII as UTF-8 then, and as Latin-1 if the body is bytes. */
  readonly asText?: true;
}

/** Reasons why a response was not recorded. */
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
      /** Cache-Control as sent, if layers below this one may have changed it. */
      readonly sentCacheControl?: string | undefined;
      readonly refusal?: undefined;
    }
  | { readonly response?: undefined; readonly refusal: RecordingRefusal; readonly status?: number };

/** Headers that our layer adds to the live response after judging it, on misses and hits. */
export interface AddedHeaders {
  readonly [name: string]: string;
}

export interface RecordOptions {
  /** Largest body that is recorded, in bytes. */
  readonly maxBodyBytes: number;
  /** Records Date, and Vary in its original spelling: for `freshness: 'headers'`. */
  readonly verbatim?: boolean;
  /**
   * Called once with the complete head of the handler, before it is sent; with the body if that is a single chunk. May add headers to the
   * live response (ETag, Cache-Control, X-Cache-Status), or send 304 with `notModified`. Also called for responses that are refused later.
   */
  head(head: ResponseHead): HeadDecision | undefined;
  /** Called exactly once, when the response is complete, refused, or aborted. */
  done(recording: Recording): void;
}

export interface ResponseHead {
  readonly status: number;
  /** The live headers at our layer; lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | number | undefined>>;
  /** Those headers that would be recorded. */
  readonly changed: RecordedResponse['headers'];
  /** The whole body, if it is known when the head is sent. */
  readonly body: Buffer | undefined;
}

export interface HeadDecision {
  readonly add?: AddedHeaders;
  /** Send `304 Not Modified` without the body. The recording still gets the full response. */
  readonly notModified?: boolean;
  /** Send this response instead. The handler's answer is discarded, except its Set-Cookie, and is not recorded. */
  readonly replaceBy?: Replacement;
}

/** A recorded response, and how to send it. */
export interface Replacement extends ReplayOptions {
  readonly recorded: RecordedResponse;
}

export interface ReplayOptions {
  /** Headers to add after the stored ones. */
  readonly add: AddedHeaders;
  /** Send 304 without a body. */
  readonly notModified: boolean;
  /** For HEAD: send only the head, with the Content-Length of the body. */
  readonly headOnly: boolean;
}

/** Lets the caller of `record()` end a recording while the handler runs. */
export interface RecordingControl {
  /**
   * Called if the handler failed or was cancelled by a timeout. If its answer had begun, the exception filter cuts it off, which looks
   * complete to clients: the recording is refused as 'aborted'. If it had not begun, the answer of the exception filter is recorded.
   */
  fail(): void;
}

/** The part of a platform that the HTTP cache needs. `Request` and `Response` are the platform's own objects. */
export interface HttpPlatform {
  readonly name: 'express' | 'fastify';
  /** Starts recording. Must be called before the handler runs. A HEAD is not recorded: `head()` is called, then `done()` with 'aborted'. */
  record(request: object, response: object, options: RecordOptions): RecordingControl;
  /**
   * Sends a recorded response now. Returns the value for the interceptor to emit: Nest's reply to it does nothing for this response, even
   * for handlers with `@Redirect()`, `@Render()` or `@HttpCode()`.
   */
  replay(request: object, response: object, recorded: RecordedResponse, options: ReplayOptions): unknown;
  /** Like `replay`, but before Nest's pipeline: Nest sends no reply. A 206 is protected from being encoded. */
  send(request: object, response: object, recorded: RecordedResponse, options: ReplayOptions): void;
  /** True if a layer between this one and the socket may encode the body. */
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
