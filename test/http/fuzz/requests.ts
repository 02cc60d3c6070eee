/** A request as bytes, and what is known of it. */
export interface FuzzedRequest {
  readonly bytes: Buffer;
  readonly method: string;
  /** Whose credentials it carries. */
  readonly users: ReadonlySet<string>;
  /** Every cache answers it as the handler would. */
  readonly isPlain: boolean;
}

const USERS = ['ada', 'bob', 'eve'];
const METHODS = ['HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'QUERY', 'TRACE', 'get'];

const PUBLIC = ['/public/', '/list', '/shared', '/varied', '/links', '/files/', '/stream', '/fails'];
const PRIVATE = ['/me', '/me/', '/mine/', '/token', '/key', '/session', '/cookie', '/late', '/own'];
const BOTH = [
  ...PUBLIC,
  ...PRIVATE,
  '/varied-own',
  '/login',
  '/upstream/',
  '/upstream-own',
  '/upstream-varied',
];

const IDS = [
  ...['1', '2', '42', '042', 'a%20b', 'a+b', 'A', 'a', '%C3%BC', 'x.css', '..%2Fme', '%2e%2e%2fme', 'a%2Fb'],
  ...[
    '1;v=2',
    '__proto__',
    'constructor',
    '%00',
    '%E0%A4%A',
    '%',
    '*',
    ':id',
    '..',
    '.',
    '',
    'a/b/c.js',
    '\xfc',
  ],
];
const QUERIES = [
  ...['page=1', 'page=2', 'page=1&page=2', 'page=2&page=1', 'page[]=1', 'page[a]=1', 'page[a][b]=1', 'page'],
  ...['page=', 'page=%', 'page=%00', '__proto__[x]=1', 'constructor=1', 'utm_source=x', 'a=1&b=2', 'b=2&a=1'],
  ...[
    'fail=1',
    'size=large',
    '&&&',
    '=',
    '?',
    'a=1?b=2',
    'page=1#x',
    'x=%0d%0aSet-Cookie:%20a=b',
    '%5B%5D=1',
  ],
];

/** Who reads them is known: they count as credentials. */
const CREDENTIALS: readonly ((user: string) => string)[] = [
  (user) => `Authorization: Bearer ${user}`,
  (user) => `AUTHORIZATION:  bearer ${user}`,
  (user) => `X-User: ${user}`,
  (user) => `x-api-key: ${user}`,
  (user) => `Cookie: sid=${user}`,
  (user) => `cookie: theme=dark; sid=${user}; a=b`,
  (user) => `X-Member: ${user}`,
];

/** They change what a cache may answer, or how. */
const CONDITIONS = [
  ...['If-None-Match: *', 'If-None-Match: "own"', 'If-None-Match: W/"x", "y', 'If-Modified-Since: yesterday'],
  ...['If-Modified-Since: Thu, 01 Jan 2032 00:00:00 GMT', 'Range: bytes=0-1', 'Range: bytes=9-1', 'Range: x'],
  ...[
    'Cache-Control: no-cache',
    'Cache-Control: only-if-cached',
    'Cache-Control: max-stale',
    'Pragma: no-cache',
  ],
  ...['Cache-Control: max-age=0, "', 'If-Match: "own"', 'If-Range: "own"', 'Accept-Encoding: gzip, br;q=0'],
];
const HEADERS = [
  ...['Accept-Language: de', 'Accept-Language: de,en', 'Accept-Language: de , en', 'Accept-Language:'],
  ...[
    'Origin: http://evil.test',
    'X-Forwarded-Host: evil.test',
    'X-Forwarded-Proto: https',
    'X-Original-URL: /me',
  ],
  ...[
    'X-Rewrite-URL: /me',
    'X-HTTP-Method-Override: DELETE',
    'Forwarded: host=evil.test',
    'X-Forwarded-For: 1.2.3.4',
  ],
  ...[
    'Accept: text/html',
    'Accept: ,,,;q=',
    'User-Agent: \xff\xfe',
    'Referer: /',
    'Cookie: sid',
    'Cookie: ;;=;',
  ],
  ...[
    'Content-Type: application/json',
    'Content-Type: text/plain',
    'Content-Type: x',
    'Upgrade-Insecure-Requests: 1',
  ],
  ...['Connection: Cookie', 'TE: trailers', 'X-Empty:', '__proto__: x', 'constructor: x', 'toString: x'],
];
const MALFORMED = [
  'no colon',
  ' leading: space',
  'Bad Name: x',
  'X-Control: a\x01b',
  'Content-Length: x',
  ': x',
];
const HOSTS = [
  'a.test',
  'A.TEST',
  'b.test:80',
  '',
  'evil.test/me',
  '[::1]',
  'a.test, b.test',
  'x'.repeat(600),
];
const NOISE = '/%?&=#;:@!$*+,~|\\"<>{}[]^`\x7f\x80\xff.-_ 0aZ';

/** The requests that a source of random numbers decides. */
export class RequestGenerator {
  constructor(private readonly random: () => number) {}

  next(): FuzzedRequest {
    const method = this.#chance(0.8) ? 'GET' : this.#one(METHODS);
    const users = new Set<string>();
    const lines = [`Host: ${this.#chance(0.9) ? 'a.test' : this.#one(HOSTS)}`];
    let isPlain = method === 'GET';
    while (this.#chance(0.45)) {
      const user = this.#one(USERS);
      users.add(user);
      lines.push(this.#one(CREDENTIALS)(user));
    }
    while (this.#chance(0.3)) lines.push(this.#one(HEADERS));
    while (this.#chance(0.12)) {
      isPlain = false;
      lines.push(this.#one(CONDITIONS));
    }
    if (this.#chance(0.02)) lines.push(this.#one(MALFORMED));
    if (this.#chance(0.01)) lines.push(`X-Bomb: ${'b'.repeat(this.#below(9000))}`);
    if (this.#chance(0.01)) for (let one = 0; one < 120; one++) lines.push(`X-Many-${one}: ${one}`);
    const body = method !== 'GET' && this.#chance(0.3) ? this.#one(['{}', '{"a":', 'text', '\0']) : '';
    if (body !== '') lines.push(`Content-Length: ${body.length}`);
    const text = `${method} ${this.#target()} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
    return { bytes: Buffer.from(text, 'latin1'), method, users, isPlain };
  }

  #target(): string {
    let path = this.#one(BOTH);
    if (path.endsWith('/')) path += this.#chance(0.5) ? this.#one(['1', '2']) : this.#one(IDS);
    if (this.#chance(0.05))
      path = this.#one(['/', '', '//', 'http://b.test', 'http://a.test', '/me/..']) + path;
    if (this.#chance(0.05))
      path += this.#one(['/', '.css', '%2f', ';x', '/x.js', '%3fa=1', '/../me', '%00.png']);
    if (this.#chance(0.05)) path = this.#noisy(path);
    if (this.#chance(0.003)) path += 'l'.repeat(this.#below(20_000));
    const query = this.#chance(0.4)
      ? `?${this.#chance(0.9) ? this.#one(QUERIES) : this.#noisy('page=1')}`
      : '';
    // Spaces would end the target.
    return (path + query).replace(/ /g, '%20');
  }

  #noisy(text: string): string {
    const at = this.#below(text.length + 1);
    const noise = Array.from({ length: 1 + this.#below(3) }, () => this.#one([...NOISE])).join('');
    return text.slice(0, at) + noise + text.slice(at);
  }

  #one<T>(values: readonly T[]): T {
    return values[this.#below(values.length)]!;
  }

  #below(bound: number): number {
    return Math.floor(this.random() * bound);
  }

  #chance(probability: number): boolean {
    return this.random() < probability;
  }
}
