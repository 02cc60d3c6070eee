import type { Cluster, Redis } from 'ioredis';

interface Command {
  readonly name: string;
  readonly promise: Promise<unknown>;
  getKeys(): (string | Buffer)[];
}
interface Sender {
  sendCommand(command: Command, ...rest: unknown[]): unknown;
}

/** What was asked of Redis through one client. */
export interface Traffic {
  /** How often somebody waited for the network: commands that are sent before an answer to any came share a wait. */
  waits: number;
  readonly commands: { readonly name: string; readonly keys: readonly string[] }[];
}

/** Counts what is sent through a client until `stop` is called. */
export function watchTraffic(client: Redis | Cluster): Traffic & { stop(): void } {
  const sender = client as unknown as Sender;
  const { sendCommand } = sender;
  const commands: Traffic['commands'] = [];
  let unanswered = 0;
  const traffic = { waits: 0, commands, stop: () => void (sender.sendCommand = sendCommand) };
  const answered = (): void => void unanswered--;
  sender.sendCommand = function (this: unknown, command, ...rest) {
    if (unanswered++ === 0) traffic.waits++;
    command.promise.then(answered, answered);
    commands.push({ name: command.name, keys: command.getKeys().map(String) });
    return sendCommand.call(this as never, command, ...rest);
  };
  return traffic;
}
