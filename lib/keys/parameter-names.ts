import { SourceScanner, type SourceToken } from './source-scanner.js';

/** The parameters a function declares. */
export interface DeclaredParameters {
  /** Their names, in order; `''` for a destructured one. */
  readonly names: readonly string[];
  /** Whether the last one is a rest parameter. */
  readonly rest: boolean;
}

// A function's source cannot change, but finding a name in it should happen once.
const known = new WeakMap<object, DeclaredParameters>();

/**
 * Reads the names of a function's declared parameters from its own source, once. Works for methods (async, generators,
 * computed and quoted names), functions and arrow functions, with any default values, and for what TypeScript, swc and
 * minifiers make of them (a minifier that renames parameters renames them here too).
 *
 * A native or bound function declares nothing. A compiler that targets ES2015 or older may drop parameters with a default
 * value; use indexes there.
 *
 * @param method the function to read
 *
 * @example
 * ```ts
 * readParameters(async function (id, { page } = {}, ...rest) {});
 * // { names: ['id', '', 'rest'], rest: true }
 * ```
 */
export function readParameters(method: Function): DeclaredParameters {
  let parameters = known.get(method);
  if (parameters === undefined) {
    parameters = parse(Function.prototype.toString.call(method));
    known.set(method, parameters);
  }
  return parameters;
}

function parse(source: string): DeclaredParameters {
  const scanner = new SourceScanner(source);
  let word = '';
  for (let token = scanner.next(); token !== undefined; token = scanner.next()) {
    if (token.text === '=>') return { names: [word], rest: false };
    if (token.kind === 'word') word = decodeName(token.text);
    if (token.kind === 'group' && token.text.startsWith('(')) return parseList(source, token);
    if (token.kind === 'group' && token.text.startsWith('{')) break;
  }
  return { names: [], rest: false };
}

function parseList(source: string, list: SourceToken): DeclaredParameters {
  const scanner = new SourceScanner(source, list.start + 1, list.end - 1);
  const names: string[] = [];
  let rest = false;
  let atStart = true;
  for (let token = scanner.next(); token !== undefined; token = scanner.next()) {
    if (token.text === ',') {
      atStart = true;
    } else if (token.text === '...' && atStart) {
      rest = true;
    } else if (atStart) {
      // `function () { [native code] }` never gets here; a group is a destructuring pattern.
      names.push(token.kind === 'word' ? decodeName(token.text) : '');
      atStart = false;
    }
  }
  return { names, rest };
}

/** `\u0061b` declares `ab`. */
function decodeName(name: string): string {
  return name.replace(/\\u(?:\{([0-9a-f]+)\}|([0-9a-f]{4}))/gi, (_, braced?: string, plain?: string) =>
    String.fromCodePoint(Number.parseInt(braced ?? plain!, 16)),
  );
}
