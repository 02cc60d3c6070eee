import { connect } from 'node:net';

/** Connects, says `hello` if there is one, and answers the first bytes that come back. */
export function greet(url, defaultPort, hello) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port || defaultPort) });
    const settle = (finish, value) => {
      socket.destroy();
      finish(value);
    };
    socket.setTimeout(2000, () => settle(reject, new Error(`no answer from ${hostname} within 2 s`)));
    socket.once('error', (error) => settle(reject, error));
    socket.once('end', () => settle(reject, new Error('the connection was closed without an answer')));
    socket.once('data', (data) => settle(resolve, data));
    if (hello) socket.once('connect', () => socket.write(hello));
  });
}
