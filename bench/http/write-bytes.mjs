import { of } from 'rxjs';
import { payload } from '../rig/payload.mjs';

const body = Buffer.from(JSON.stringify(payload));
const headers = {
  'Content-Type': 'application/json; charset=utf-8',
  ETag: '"h6gXdLzcys2t0BLWe7zMq3BxWLE"',
  'Content-Length': body.length,
};

function nothing() {
  return this;
}

/**
 * The least an interceptor can do for a hit: write bytes it has, for whoever asks, with no key, no lookup and no regard
 * for what others do to the response. No cache that is an interceptor can be faster.
 */
export class WriteBytes {
  intercept(context) {
    const response = context.switchToHttp().getResponse();
    const raw = response.raw ?? response;
    raw.writeHead(200, headers);
    raw.end(body);
    response.hijack?.();
    response.status = nothing;
    response.send = nothing;
    response.json = nothing;
    return of(undefined);
  }
}
