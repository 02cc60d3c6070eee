import type { KeyRequest } from '../../keys/key.interface.js';

/** How an application tells versions apart: Nest's `VersioningOptions`, as far as they are read here. */
export interface Versioning {
  /** Nest's `VersioningType`: URI, header, media type, custom. */
  readonly type?: number;
  /** Before a version in the path. Default `'v'`; `false` for none. */
  readonly prefix?: string | false;
  readonly header?: string;
  readonly extractor?: (request: unknown) => unknown;
}

/** Reads from a request which version it asks for. */
export type RequestVersion = (request: KeyRequest) => unknown;

const URI = 0;
const HEADER = 1;
const MEDIA_TYPE = 2;
const CUSTOM = 3;

/** What of a request decides its version, where one handler may serve several; versions in the URL stand in the path. */
export function requestVersion({ type, header = '', extractor }: Versioning): RequestVersion {
  const name = header.toLowerCase();
  if (type === HEADER) return ({ headers }) => headers[name];
  if (type === MEDIA_TYPE) return ({ headers }) => String(headers['accept'] ?? '').split(';')[1];
  if (type === CUSTOM) return (request) => extractor?.(request);
  return () => undefined;
}

/** What stands before versions in paths; `undefined` where they do not stand there. */
export function versionPrefix({ type, prefix = 'v' }: Versioning): string | undefined {
  if (type !== URI) return undefined;
  return prefix === false ? '' : prefix;
}
