/** Headers of one kind, and the reason why no answer depends on their values. */
export interface NeutralHeaders {
  readonly reason: string;
  readonly names: readonly string[];
}

const KEYED: NeutralHeaders = {
  reason: 'held by the default key; a key without host and scheme must treat them as other headers',
  names: [':authority', ':method', ':path', ':scheme', 'host', 'x-forwarded-host', 'x-forwarded-proto'],
};

/** Headers that are neutral in any code that reads them. */
export const alwaysNeutral: readonly NeutralHeaders[] = [
  {
    reason: 'conditions and ranges: evaluated against the stored answer (RFC 9110, sections 13 and 14)',
    names: ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range', 'range'],
  },
  {
    reason: 'directives to caches: obeyed by the cache itself (RFC 9111, section 5)',
    names: ['cache-control', 'pragma'],
  },
  {
    reason: 'hop-by-hop: about this connection (RFC 9110, section 7.6.1)',
    names: [
      'connection',
      'expect',
      'http2-settings',
      'keep-alive',
      'proxy-connection',
      'te',
      'trailer',
      'transfer-encoding',
      'upgrade',
    ],
  },
  {
    reason: 'framing of a body: a request that declares one has it in its key, or bypasses',
    names: ['content-length', 'content-type'],
  },
  KEYED,
];

const CLIENT_ADDRESS: NeutralHeaders = {
  reason: 'address of the client and the proxies on the way, under the names that proxies and CDNs give it',
  names: [
    'cf-connecting-ip',
    'cf-connecting-ipv6',
    'cf-pseudo-ipv4',
    'client-ip',
    'do-connecting-ip',
    'fastly-client-ip',
    'fly-client-ip',
    'forwarded',
    'forwarded-for',
    'proxy-client-ip',
    'true-client-ip',
    'via',
    'wl-proxy-client-ip',
    'x-appengine-user-ip',
    'x-azure-clientip',
    'x-azure-socketip',
    'x-client-ip',
    'x-cluster-client-ip',
    'x-envoy-external-address',
    'x-forwarded',
    'x-forwarded-for',
    'x-nf-client-connection-ip',
    'x-original-forwarded-for',
    'x-real-ip',
    'x-vercel-forwarded-for',
  ],
};

/**
 * Neutral if only code before the load reads them; read by the load, each chooses a variant like any other header.
 *
 * Not here, because middleware derives content or links from them: accept, accept-language, accept-version, cookie and
 * credentials, x-forwarded-prefix, x-forwarded-port, x-original-url, x-rewrite-url, headers that name a country, sec-ch-*,
 * save-data, x-requested-with, method overrides, and baggage, which carries whatever an application puts there.
 */
export const neutralUpstream: readonly NeutralHeaders[] = [
  {
    reason: 'CORS and fetch metadata: middleware answers or refuses by them, and sets headers of its own',
    names: [
      'access-control-request-headers',
      'access-control-request-method',
      'access-control-request-private-network',
      'origin',
      'sec-fetch-dest',
      'sec-fetch-mode',
      'sec-fetch-site',
      'sec-fetch-user',
    ],
  },
  {
    reason: 'content coding: compression happens outside the cache, decompression before it',
    names: ['accept-encoding', 'content-encoding', 'x-no-compression'],
  },
  {
    reason: 'description of the client: read by logs and rate limits of every application',
    names: ['referer', 'user-agent'],
  },
  CLIENT_ADDRESS,
  {
    reason: 'identifiers of one request: another value with each, copied to logs and response headers',
    names: [
      'cf-ray',
      'correlation-id',
      'fly-request-id',
      'request-id',
      'x-amz-cf-id',
      'x-amzn-requestid',
      'x-azure-ref',
      'x-correlation-id',
      'x-ms-client-request-id',
      'x-request-id',
      'x-request-start',
      'x-vercel-id',
    ],
  },
  {
    reason: 'trace context: continued by tracers, which read it for every request',
    names: [
      'b3',
      'elastic-apm-traceparent',
      'newrelic',
      'sentry-trace',
      'traceparent',
      'tracestate',
      'uber-trace-id',
      'x-amzn-trace-id',
      'x-b3-flags',
      'x-b3-parentspanid',
      'x-b3-sampled',
      'x-b3-spanid',
      'x-b3-traceid',
      'x-cloud-trace-context',
      'x-datadog-origin',
      'x-datadog-parent-id',
      'x-datadog-sampling-priority',
      'x-datadog-tags',
      'x-datadog-trace-id',
      'x-trace-id',
    ],
  },
];

const namesOf = (groups: readonly NeutralHeaders[]): ReadonlySet<string> =>
  new Set(groups.flatMap(({ names }) => names));

/** Names of {@link alwaysNeutral}, in lower case. */
export const alwaysNeutralNames: ReadonlySet<string> = namesOf(alwaysNeutral);

/** Names that are neutral if only code before the load reads them: those of both tables, in lower case. */
export const neutralUpstreamNames: ReadonlySet<string> = namesOf([...alwaysNeutral, ...neutralUpstream]);

/** Names of headers that tell the address of the client, in lower case. */
export const addressHeaderNames: ReadonlySet<string> = namesOf([CLIENT_ADDRESS]);

/** Names of headers that the keys of responses contain, and those of values that are loaded within do not, in lower case. */
export const keyedNames: ReadonlySet<string> = namesOf([KEYED]);
