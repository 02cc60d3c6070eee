import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { inspect } from 'node:util';
import { Redis, type Command } from 'ioredis';
import { Packr } from 'msgpackr';

/** Commands that change nothing that another process reads. */
const SILENT = /^(?:info|mget|get|hello|client|select|auth|ping|subscribe|unsubscribe|scan|command|quit)$/i;

/** A connection that writes down the commands that change what is stored. */
export class RecordingRedis extends Redis {
  readonly #commands: (readonly [name: string, args: readonly (string | Buffer)[]])[] = [];

  override sendCommand(...args: Parameters<Redis['sendCommand']>): unknown {
    const command = args[0] as Command;
    if (!SILENT.test(command.name)) this.#commands.push([command.name, command.args.flat() as Buffer[]]);
    return super.sendCommand(...args);
  }

  /** What was written down since the last call. */
  take(): [name: string, args: (string | Buffer)[]][] {
    return this.#commands.splice(0).map(([name, args]) => [name, [...args]]);
  }
}

const packr = new Packr({ structuredClone: true, moreTypes: true, useRecords: true });
const ALGORITHMS = ['plain', 'gzip', 'brotli', 'zstd'];

/** Makes texts of fixed length out of what is random: the namespace, the history of Redis, generations, ids. */
/** In keys of entries: it follows from the source of a class, which the compiler may change. */
export const BUILD = /(:e:[^:\s]*:[\w-]{8})[\w-]{12}(:)/g;

/** Beside the names of classes in values, for the same reason. */
const SHAPE = /(\w)~[\w-]{16}(?![\w-])/g;

export class Fixed {
  /** The history of Redis, in the grace after its first sight or later. */
  readonly #epochs: RegExp;

  constructor(
    private readonly namespace: string,
    mark: string,
  ) {
    this.#epochs = new RegExp(`${mark}\\.[01]`, 'g');
  }

  /** As many characters as before, so that lengths in the bytes stay. */
  text(bytes: Buffer | string | number): string {
    return Buffer.from(String(bytes instanceof Buffer ? bytes.toString('latin1') : bytes), 'latin1')
      .toString('latin1')
      .replaceAll(this.namespace, 'pins'.padEnd(this.namespace.length, '-'))
      .replace(this.#epochs, (epoch) => 'e'.repeat(epoch.length))
      .replace(BUILD, '$1build-------$2')
      .replace(SHAPE, '$1~shape-----------')
      .replace(/(?<![\w-])[\w-]{12}\.[\w-]{12}(?![\w-])/g, 'hard-half---.soft-half---')
      .replace(
        /[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/g,
        '00000000-0000-0000-0000-000000000000',
      );
  }
}

/** An entry as Redis holds it: what it says, and its bytes. */
export function describeEntry(stored: Buffer, fixed: Fixed): string {
  const bytes = Buffer.from(fixed.text(stored), 'latin1');
  const end = 6 + bytes.readUInt32BE(2);
  const algorithm = ALGORITHMS[bytes[1]!] ?? '?';
  const head = packr.unpack(bytes.subarray(6, end)) as unknown;
  const rest = Buffer.from(fixed.text(inflated(algorithm, stored.subarray(end))), 'latin1');
  return [
    `version ${bytes[0]}, ${algorithm}, a head of ${end - 6} bytes`,
    inspect(head, { depth: 20, breakLength: 100, maxStringLength: 200 }),
    hexadecimal(bytes.subarray(0, end)),
    ...(rest.length === 0
      ? []
      : [`${rest.length} bytes${algorithm === 'plain' ? '' : ' when inflated'}`, hexadecimal(rest)]),
  ].join('\n');
}

/** What a compressor writes differs from one Node to another. */
function inflated(algorithm: string, bytes: Buffer): Buffer {
  if (algorithm === 'gzip') return gunzipSync(bytes);
  return algorithm === 'brotli' ? brotliDecompressSync(bytes) : bytes;
}

function hexadecimal(bytes: Buffer): string {
  const lines: string[] = [];
  for (let from = 0; from < bytes.length; from += 16) {
    const line = bytes.subarray(from, from + 16);
    const text = line.toString('latin1').replace(/[^ -~]/g, '.');
    lines.push(`${line.toString('hex').replace(/(..)/g, '$1 ').padEnd(48)} ${text}`);
  }
  return lines.join('\n');
}

/** Commands as one would write them; entries and scripts are named only. */
export function describeCommands(commands: ReturnType<RecordingRedis['take']>, fixed: Fixed): string {
  const lines = commands
    .map(([name, args]) => {
      if (name === 'eval') return ['eval', '(script)', ...args.slice(1).map((arg) => half(fixed.text(arg)))];
      return [name, ...args.map((arg) => (arg instanceof Buffer ? '(entry)' : fixed.text(arg)))];
    })
    .map((words) => words.join(' '));
  // A scan finds keys in any order.
  const [found, sent] = [lines.filter(isUnlink).sort(), lines.filter((line) => !isUnlink(line))];
  return [...sent, ...found].join('\n');
}

function isUnlink(line: string): boolean {
  return line.startsWith('unlink');
}

/** Half a generation. */
function half(text: string): string {
  return /^[\w-]{12}$/.test(text) ? 'soft-half---' : text;
}
