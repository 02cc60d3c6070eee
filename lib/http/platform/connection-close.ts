import type { Socket } from 'node:net';
import type { RawRequest, RawResponse } from './raw-response.interface.js';

/**
 * One listener per connection, however many pipelined responses wait on it: a listener each would be a leak warning
 * at eleven, and quadratic to remove.
 */
const waitingByConnection = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls back once the response has closed, finished or not.
 *
 * A response that is queued behind others on its connection has no socket yet and is not told when the connection
 * goes, so for such a one the connection of its request is watched too.
 *
 * @returns stops waiting
 */
export function onceClosed(request: RawRequest, response: RawResponse, callback: () => void): () => void {
  response.on('close', callback);
  const stopConnection =
    response.socket === null && request.socket ? onceDisconnected(request.socket, callback) : undefined;
  return () => {
    response.removeListener('close', callback);
    stopConnection?.();
  };
}

/** Calls back once the connection has closed. */
export function onceDisconnected(connection: Socket, callback: () => void): () => void {
  const waiting = waitingByConnection.get(connection) ?? watch(connection);
  waiting.add(callback);
  return () => waiting.delete(callback);
}

function watch(connection: Socket): Set<() => void> {
  const waiting = new Set<() => void>();
  waitingByConnection.set(connection, waiting);
  connection.once('close', () => {
    waitingByConnection.delete(connection);
    for (const callback of waiting) callback();
  });
  return waiting;
}
