import type { RecordedRequest } from './application.interface.js';
import { MARKER_HEADER } from './watched-headers.js';

const browser = {
  [MARKER_HEADER]: '1',
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0',
  'accept-encoding': 'gzip, br',
  'accept-language': 'de-CH,de;q=0.9,en;q=0.8',
  accept: 'application/json, text/plain, */*',
  origin: 'https://shop.example.com',
  referer: 'https://shop.example.com/things',
  'x-forwarded-for': '203.0.113.9, 10.0.0.1',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'api.example.com',
  'x-request-id': 'request-1',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  cookie: 'theme=dark; lang=de',
};

/** Ordinary requests of visitors. Each application receives all of them, in this order. */
export const commonRequests: readonly RecordedRequest[] = [
  { path: '/things/1', headers: { [MARKER_HEADER]: '1' } },
  { path: '/things/2?q=a', headers: browser },
  { path: '/things/2?q=a', headers: { ...browser, 'if-none-match': 'W/"1"', 'cache-control': 'no-cache' } },
  {
    method: 'OPTIONS',
    path: '/things/3',
    headers: {
      ...browser,
      'access-control-request-method': 'GET',
      'access-control-request-headers': 'authorization',
    },
  },
  { method: 'HEAD', path: '/things/4', headers: browser },
  {
    method: 'POST',
    path: '/things',
    headers: { ...browser, 'content-type': 'application/json', 'content-length': '7' },
    body: '{"a":1}',
  },
  { path: '/missing', headers: browser },
  { path: '/things/not-a-number', headers: browser },
];
