import { Socket } from 'node:net';
import { currentLoad } from '../../cache/engine/load-context.js';
import type { LoadInput } from '../../cache/engine/load-input.js';
import { observeMember } from './observed-objects.js';

interface Message {
  readonly socket?: object | null;
  /** Of HTTP/2. */
  readonly stream?: { readonly session?: object | null } | null;
}

/**
 * Members of sockets of Node beside those of its class, of TLS, and of its HTTP server. Names that begin with `_` are Node's, as are
 * symbols; objects that stand in for sockets have members of the class for their own.
 */
const NODE: ReadonlySet<string> = new Set([
  ...[
    'connecting',
    'allowHalfOpen',
    'timeout',
    'server',
    'parser',
    'encrypted',
    'authorized',
    'authorizationError',
  ],
  ...['secureConnecting', 'servername', 'alpnProtocol', 'ssl', 'getPeerCertificate'],
]);

const ADDRESS_MEMBERS = ['remoteAddress', 'remotePort', 'remoteFamily'];

export const ADDRESS: LoadInput = {
  name: 'the address of the client',
  advice: `hold it in the key, new RequestValueKeyField('ip'), or say shared: true if the answer is the same for all`,
};

/**
 * Names of members that code has put on the connection of a request, such as the user that NTLM has found: they are there for later
 * requests on it, and not for those on another one.
 */
export function connectionNames(message: object, ignored: ReadonlySet<string>): string {
  const { socket, stream } = message as Message;
  if (socket === undefined || socket === null) return '';
  const session = stream?.session;
  if (session === undefined || session === null) return foreignNames(socket, ignored);
  const names = foreignNames(session, ignored);
  const below = socketOf(session);
  return below === undefined ? names : names + foreignNames(below, ignored);
}

/** The names that were found last, by the list of all: most connections have the same. */
let lastKeys: readonly string[] = [];
let lastForeign: readonly string[] = [];

function foreignOf(target: object): readonly string[] {
  const keys = Object.keys(target);
  if (keys.length !== lastKeys.length || keys.some((key, index) => key !== lastKeys[index])) {
    lastKeys = keys;
    lastForeign = keys.filter((key) => !key.startsWith('_') && !NODE.has(key) && !(key in Socket.prototype));
  }
  return lastForeign;
}

function foreignNames(target: object, ignored: ReadonlySet<string>): string {
  let names = '';
  for (const member of foreignOf(target))
    if (!ignored.has(`socket.${member}`)) names += `${names === '' ? '' : ','}socket.${member}`;
  return names;
}

const sockets = new WeakMap<object, object>();

/** The socket of a session of HTTP/2, which is given out as a proxy that hides its members. */
function socketOf(session: object): object | undefined {
  let socket = sockets.get(session);
  if (socket !== undefined) return socket;
  const symbol = Object.getOwnPropertySymbols(session).find(({ description }) => description === 'socket');
  socket = symbol && (Reflect.get(session, symbol) as object | undefined);
  if (socket !== undefined) sockets.set(session, socket);
  return socket;
}

const observed = new WeakMap<object, Set<string>>();

/** Has reads of the client's address, and of what code has put on a connection, told to the load that makes them. */
export function observeConnection(message: object, ignored: ReadonlySet<string>): void {
  const { socket, stream } = message as Message;
  if (socket === undefined || socket === null) return;
  const session = stream?.session;
  if (session === undefined || session === null) return observe(socket, ignored);
  observe(session, ignored);
  const below = socketOf(session);
  if (below !== undefined) observe(below, ignored);
}

/** Connections outlive requests: whose load reads is told by its context. */
function observe(target: object, ignored: ReadonlySet<string>): void {
  let members = observed.get(target);
  if (members === undefined) {
    observed.set(target, (members = new Set()));
    for (const member of ADDRESS_MEMBERS) if (member in target) observeOnce(target, member, members, ADDRESS);
  }
  for (const member of foreignOf(target))
    if (!ignored.has(`socket.${member}`)) observeOnce(target, member, members, memberInput(member));
}

function observeOnce(target: object, member: string, members: Set<string>, input: LoadInput): void {
  if (members.has(member)) return;
  members.add(member);
  const read = (value: unknown): unknown => {
    currentLoad()?.readInput(input);
    return value;
  };
  observeMember(target, member, read, true);
}

function memberInput(member: string): LoadInput {
  return {
    name: `socket.${member}, which code keeps for the connection`,
    advice:
      `hold in the key what it reads, or say forRoot({ ignoreProperties: ['socket.${member}'] }) if it chooses no answer, or shared: true ` +
      `if the answer is the same for all`,
  };
}
