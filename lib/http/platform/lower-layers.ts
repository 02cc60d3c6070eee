import type { RawRequest, RawResponse } from './raw-response.interface.js';

/** Whether middleware put methods of its own over those that a Node response is written with. */
export function isPatched(response: RawResponse): boolean {
  return (
    Object.hasOwn(response, 'write') || Object.hasOwn(response, 'end') || Object.hasOwn(response, 'writeHead')
  );
}

/**
 * Has compression below leave a part as it is, whose place is counted in bytes of what is stored. The `compression` package
 * does not look at the status, but at what the client accepts as the head goes out.
 */
export function refuseCodings({ headers }: RawRequest): void {
  headers['accept-encoding'] = 'identity';
}
