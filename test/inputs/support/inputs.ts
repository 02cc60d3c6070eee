/** Names of the visitors of a generated application. */
export const VISITORS = ['ada', 'bob', 'anonymous', 'analytics'] as const;
export type Visitor = (typeof VISITORS)[number];

/** How an input of a request may be read and kept. */
export type InputKind =
  /** Names the user. Only users send it. */
  | 'identity'
  /** Any visitor may send it, and each another value. */
  | 'ordinary'
  /** Code in front of the handler may use it freely; a shared answer must not depend on it. */
  | 'neutral'
  /** The default key holds it. */
  | 'held';

export interface Input {
  readonly kind: InputKind;
  /** Name of the header that carries it; none for a part of the target. */
  readonly header?: string;
  readonly partOfTarget?: 'prefix' | 'query';
  /** Value of the header (of the part of the target) as the visitor sends it. */
  sent(visitor: Visitor): string;
  /** Picks the value out of the header, e.g. one cookie. */
  pick?(header: string): string | undefined;
}

const LANGUAGES: Record<Visitor, string> = { ada: 'de', bob: 'fr', anonymous: 'en', analytics: 'nl' };
const ADDRESSES: Record<Visitor, string> = {
  ada: '198.51.100.1',
  bob: '198.51.100.2',
  anonymous: '198.51.100.3',
  analytics: '198.51.100.4',
};

const header = (kind: InputKind, name: string, sent?: (visitor: Visitor) => string): Input => ({
  kind,
  header: name,
  sent: sent ?? ((visitor) => `${name} of ${visitor}`),
});
const cookie = (name: string): Input => ({
  kind: 'identity',
  header: 'cookie',
  sent: (visitor) => `${name}=${visitor}`,
  pick: (cookies) => new RegExp(`(?:^|; )${name}=([^;]*)`).exec(cookies)?.[1],
});

/** Everything that a generated application may read from a request. */
export const INPUTS = {
  'cookie sid': cookie('sid'),
  'cookie theme': cookie('theme'),
  authorization: header('identity', 'authorization', (visitor) => `Bearer ${visitor}`),
  'x-user-id': header('identity', 'x-user-id'),
  'x-auth-token': header('identity', 'x-auth-token'),
  'x-tenant': header('ordinary', 'x-tenant'),
  'accept-language': header('ordinary', 'accept-language', (visitor) => LANGUAGES[visitor]),
  accept: header('ordinary', 'accept', (visitor) => `application/json, text/${visitor}`),
  'x-forwarded-prefix': header('ordinary', 'x-forwarded-prefix', (visitor) => `/${visitor}`),
  'cf-ipcountry': header('ordinary', 'cf-ipcountry', (visitor) => LANGUAGES[visitor].toUpperCase()),
  'sec-ch-ua-mobile': header('ordinary', 'sec-ch-ua-mobile', (visitor) => (visitor === 'ada' ? '?1' : '?0')),
  'user-agent': header('neutral', 'user-agent', (visitor) => `Mozilla/5.0 (${visitor})`),
  origin: header('neutral', 'origin', (visitor) => `https://${visitor}.test`),
  referer: header('neutral', 'referer', (visitor) => `https://${visitor}.test/from`),
  'x-real-ip': header('neutral', 'x-real-ip', (visitor) => ADDRESSES[visitor]),
  'client address': header('neutral', 'x-forwarded-for', (visitor) => ADDRESSES[visitor]),
  host: header('held', 'host', (visitor) => `${visitor}.test`),
  'x-forwarded-host': header('held', 'x-forwarded-host', (visitor) => `${visitor}.example`),
  'x-forwarded-proto': header('held', 'x-forwarded-proto', (visitor) =>
    visitor === 'ada' ? 'https' : 'http',
  ),
  /** `/t/<visitor>` before the path, which the application strips. */
  'path prefix': { kind: 'held', partOfTarget: 'prefix', sent: (visitor) => `/t/${visitor}` },
  'query tenant': { kind: 'held', partOfTarget: 'query', sent: (visitor) => `tenant=${visitor}` },
} satisfies Record<string, Input>;

export type InputName = keyof typeof INPUTS;
export const INPUT_NAMES = Object.keys(INPUTS) as InputName[];
export const inputOf = (name: InputName): Input => INPUTS[name];
