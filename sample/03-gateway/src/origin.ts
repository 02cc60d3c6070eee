import { BadGatewayException, GatewayTimeoutException } from '@nestjs/common';
import { request as startRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { request as startSecureRequest } from 'node:https';
import { forwardedHeaders, hasBody } from './messages.js';

class OriginTimeoutError extends Error {}

/** The server behind the gateway. */
export class Origin {
  constructor(
    private readonly url: URL,
    private readonly timeout: number,
  ) {}

  /**
   * Forwards a request as it came: method, target, headers, body.
   *
   * @param client whoever waits for the answer; when it goes, so does the request
   * @throws BadGatewayException when the origin does not answer, GatewayTimeoutException when it does not in time
   */
  ask(incoming: IncomingMessage, target: string, client: ServerResponse): Promise<IncomingMessage> {
    const { protocol, hostname, port } = this.url;
    const start = protocol === 'https:' ? startSecureRequest : startRequest;
    return new Promise((resolve, reject) => {
      // A connection each: none that the origin closes while idle is taken for an origin that is gone.
      const outgoing = start({
        ...{ protocol, hostname, port, agent: false },
        ...{ method: incoming.method, path: target, setHost: false },
      });
      for (const [name, values] of forwardedHeaders(incoming.rawHeaders)) outgoing.setHeader(name, values);
      // Silence is counted, not the time that a long body takes.
      outgoing.setTimeout(this.timeout, () => outgoing.destroy(new OriginTimeoutError()));
      const giveUp = (): void => void outgoing.destroy();
      client.on('close', giveUp);
      outgoing.on('response', (answer) => {
        outgoing.setTimeout(0);
        resolve(answer);
      });
      outgoing.on('error', (error) => reject(asHttpError(error)));
      outgoing.on('close', () => client.removeListener('close', giveUp));
      sendBody(incoming, outgoing);
    });
  }
}

function sendBody(incoming: IncomingMessage, outgoing: ReturnType<typeof startRequest>): void {
  if (!hasBody(incoming)) {
    outgoing.useChunkedEncodingByDefault = false;
    outgoing.end();
    return;
  }
  if (incoming.headers['transfer-encoding'] !== undefined) outgoing.setHeader('Transfer-Encoding', 'chunked');
  incoming.pipe(outgoing);
}

function asHttpError(cause: Error): Error {
  return cause instanceof OriginTimeoutError
    ? new GatewayTimeoutException('The origin took too long', { cause })
    : new BadGatewayException('The origin did not answer', { cause });
}
