import { messageOf } from '../../common/messages.js';
import { StoreRefusedError, StoreUnavailableError } from '../store.interface.js';

/** Errors of ioredis and node-redis that only say that there is no connection. */
const NO_CONNECTION =
  /isn't writeable|Connection is closed|Socket closed unexpectedly|The client is (?:closed|offline)|Disconnects client/;

/** The meaning of errors of Redis and of its connection, with what to change. The first row that matches counts. */
const MEANINGS: readonly (readonly [pattern: RegExp, meaning: string])[] = [
  [
    /\b(?:WRONGPASS|NOAUTH)\b|invalid password|invalid username/i,
    'Redis refuses the user name or the password. Write those that are valid now',
  ],
  [/\b(?:ENOTFOUND|EAI_AGAIN)\b/, 'the host of Redis is unknown. Check the host in the url'],
  [
    /wrong version number|packet length too long|\bEPROTO\b|ERR_SSL/i,
    'the port of Redis does not speak TLS. Write redis:// in place of rediss://',
  ],
  [
    /self.signed|certificate/i,
    'the certificate of Redis is not trusted. Give its authority in NODE_EXTRA_CA_CERTS',
  ],
  [/\bREADONLY\b|\bnot master\b/, 'the server is a replica, not the master'],
  [/\bOOM\b/, 'Redis is full. Raise maxmemory, or set maxmemory-policy to allkeys-lru'],
  [/\bLOADING\b/, 'Redis loads its data'],
  [/\bNOREPLICAS\b/, 'Redis has fewer replicas than min-replicas-to-write'],
  [/\bMISCONF\b/, 'Redis cannot write its dump, and so takes no writes. See its log'],
  [
    /\bNOPERM\b/,
    'the Redis user may not run a command that the store needs. Grant those that docs/stores.md lists',
  ],
  [/\b(?:CLUSTERDOWN|MASTERDOWN)\b/, 'the Cluster does not serve all slots'],
  [/\bECONNREFUSED\b/, 'no server listens there'],
  [NO_CONNECTION, 'the connection to Redis was lost'],
  [
    /\bETIMEDOUT\b|Connection timeout/,
    'the server does not take the connection. Check the address; if its port has no TLS, write redis:// in place of rediss://',
  ],
];

/** The meaning of an error, followed by its message, on one line. */
export function explain(error: unknown): string {
  const message = messageOf(innermost(error)).split('\n', 1)[0]!;
  const meaning = MEANINGS.find(([pattern]) => pattern.test(message))?.[1];
  return meaning === undefined ? message : `${meaning} (${message})`;
}

/** A Cluster wraps the error of the last node, and Node those of all addresses of a host, without a message. */
function innermost(error: unknown): unknown {
  const { lastNodeError, errors } = (error ?? {}) as { lastNodeError?: unknown; errors?: readonly unknown[] };
  if (lastNodeError != null) return innermost(lastNodeError);
  return messageOf(error) === '' && Array.isArray(errors) && errors.length > 0 ? innermost(errors[0]) : error;
}

/** A server that must be a master is not: values read from it may be outdated. */
export class DemotedError extends Error {}

/** The connection was lost or is silent, and no attempt to connect again has failed with a cause yet. */
export class ConnectionLostError extends Error {}

/** True for errors that only say that there is no connection, and not why. */
export function isVague(error: unknown): boolean {
  return error instanceof ConnectionLostError || NO_CONNECTION.test(messageOf(error));
}

/** Errors of a Redis that cannot answer now: it loads its data, is not a master, or lost its Cluster. */
const NOT_NOW = /^(?:LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|READONLY)\b/;

/** Whether Redis says that it is not a master. */
export function isDemotion(error: unknown): boolean {
  return error instanceof DemotedError || (isAnswer(error) && error.message.startsWith('READONLY'));
}

/**
 * The error of a failed read. Without an answer, or where Redis cannot answer now, the store is unavailable; any other answer (e.g. NOPERM,
 * WRONGTYPE) is an error that somebody must repair, and is passed on unchanged.
 */
export function readError(error: unknown): unknown {
  return isAnswer(error) && !NOT_NOW.test(error.message) ? error : unavailable(error);
}

/** The error of a failed write: Redis refused it (it is full, or lacks replicas), or did not answer. */
export function writeError(error: unknown): unknown {
  return isAnswer(error) && !NOT_NOW.test(error.message)
    ? new StoreRefusedError(explain(error), { cause: error })
    : unavailable(error);
}

/** ioredis distinguishes errors that Redis returned from its own by their name. */
export function isAnswer(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

export function unavailable(error: unknown): StoreUnavailableError {
  if (error instanceof StoreUnavailableError) return error;
  return new StoreUnavailableError(explain(error), { cause: error });
}
