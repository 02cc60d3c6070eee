/** The parameters a function declares. */
export interface DeclaredParameters {
  /** Their names, in order; `''` for a destructured one. */
  readonly names: readonly string[];
  /** True if the last one is a rest parameter. */
  readonly rest: boolean;
}

// The source of a function never changes, so it is read once.
const known = new WeakMap<object, DeclaredParameters>();

/**
 * Reads the names of a function's declared parameters from its own source, once. Works for methods (async, generators,
 * computed and quoted names), functions and arrow functions, with any default values, and for the output of TypeScript, swc and
 * minifiers (a minifier that renames parameters renames them here too).
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
    if (token.kind === 'group' && token.text.startsWith('(')) return readList(source, token);
    if (token.kind === 'group' && token.text.startsWith('{')) break;
  }
  return { names: [], rest: false };
}

/** Reads the parameters in a list, given with its parentheses. */
export function readList(source: string, list: SourceToken): DeclaredParameters {
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

/** Words after which a slash begins a regular expression. */
const OPERATOR_WORDS = new Set(
  'return typeof instanceof in of new delete void throw case do else await yield extends default'.split(' '),
);
/** Words whose parentheses a statement follows. */
const STATEMENT_WORDS = new Set(['if', 'while', 'for', 'with']);

const IDENTIFIER =
  /(?:[\p{ID_Start}$_#]|\\u[0-9a-f]{4}|\\u\{[0-9a-f]+\})(?:[\p{ID_Continue}$\u200c\u200d]|\\u[0-9a-f]{4}|\\u\{[0-9a-f]+\})*/iuy;
const NUMBER = /\.?\d(?:[\w.]|[eE][+-])*/y;
const SPACE = /(?:\s|\/\/[^\n\r\u2028\u2029]*|\/\*[^]*?\*\/)*/y;

/** One token of JavaScript source: a word, a whole bracketed group, a whole literal, or a punctuator. */
export interface SourceToken {
  readonly text: string;
  readonly kind: 'word' | 'literal' | 'group' | 'punctuator';
  /** Where it begins and ends in the source. */
  readonly start: number;
  readonly end: number;
}

/**
 * Reads JavaScript source token by token; a bracketed group is one token. It knows enough grammar to distinguish brackets and commas of
 * the code from those in strings, templates, comments and regular expressions. (js-tokens takes `.default /` for the begin of a regular
 * expression, so it is no replacement.)
 */
export class SourceScanner {
  #position: number;
  /** True if a slash here begins a regular expression. Otherwise it divides. */
  #regexAllowed = true;
  #previous: SourceToken | undefined;
  /** The word directly before the previous token: `if` in `if (…)`. */
  #wordBefore = '';

  constructor(
    readonly source: string,
    start = 0,
    private readonly end = source.length,
  ) {
    this.#position = start;
  }

  /** The next token, or `undefined` at the end of the source. */
  next(): SourceToken | undefined {
    const start = this.#match(SPACE);
    if (start >= this.end) return undefined;
    this.#position = start;
    const kind = this.#read(this.source[start]!);
    const token = { text: this.source.slice(start, this.#position), kind, start, end: this.#position };
    this.#regexAllowed = this.#slashBeginsRegex(token);
    this.#wordBefore = this.#previous?.kind === 'word' ? this.#previous.text : '';
    this.#previous = token;
    return token;
  }

  #read(character: string): SourceToken['kind'] {
    if (character === '"' || character === "'") return this.#quoted(character);
    if (character === '`') return this.#template();
    if (character === '/' && this.#regexAllowed) return this.#regex();
    if (character === '(' || character === '[' || character === '{') return this.#group(character);
    const word = this.#match(IDENTIFIER);
    if (word > this.#position) return this.#until(word, 'word');
    const number = this.#match(NUMBER);
    if (number > this.#position) return this.#until(number, 'literal');
    const punctuator = ['...', '=>', '++', '--'].find((sign) => this.source.startsWith(sign, this.#position));
    return this.#until(this.#position + (punctuator ?? character).length, 'punctuator');
  }

  #group(open: string): 'group' {
    const close = open === '(' ? ')' : open === '[' ? ']' : '}';
    const inner = new SourceScanner(this.source, this.#position + 1, this.end);
    for (let token = inner.next(); token !== undefined; token = inner.next()) {
      if (token.text === close) return this.#until(token.end, 'group');
    }
    return this.#until(this.end, 'group');
  }

  #quoted(quote: string): 'literal' {
    let index = this.#position + 1;
    while (index < this.end && this.source[index] !== quote) index += this.source[index] === '\\' ? 2 : 1;
    return this.#until(index + 1, 'literal');
  }

  #template(): 'literal' {
    let index = this.#position + 1;
    while (index < this.end && this.source[index] !== '`') {
      if (this.source.startsWith('${', index)) {
        const hole = new SourceScanner(this.source, index + 1, this.end);
        index = hole.next()!.end;
      } else {
        index += this.source[index] === '\\' ? 2 : 1;
      }
    }
    return this.#until(index + 1, 'literal');
  }

  #regex(): 'literal' {
    let index = this.#position + 1;
    let inClass = false;
    while (index < this.end && (inClass || this.source[index] !== '/')) {
      const character = this.source[index];
      if (character === '[') inClass = true;
      else if (character === ']') inClass = false;
      index += character === '\\' ? 2 : 1;
    }
    while (/[a-z]/.test(this.source[index + 1] ?? '')) index++;
    return this.#until(index + 1, 'literal');
  }

  #slashBeginsRegex(token: SourceToken): boolean {
    switch (token.kind) {
      case 'word':
        return OPERATOR_WORDS.has(token.text) && this.#previous?.text !== '.';
      case 'literal':
        return false;
      case 'punctuator':
        return token.text !== '++' && token.text !== '--';
      case 'group':
        if (token.text.startsWith('('))
          return this.#previous?.kind === 'word' && STATEMENT_WORDS.has(this.#previous.text);
        return token.text.startsWith('{') && this.#isBlock();
    }
  }

  /** True if the braces just read are a block of statements: not an object, nor the body of a function. */
  #isBlock(): boolean {
    const previous = this.#previous;
    if (previous === undefined) return true;
    if (previous.kind === 'group')
      return !previous.text.startsWith('[') && !/^(?:function|=>)$/.test(this.#wordBefore);
    if (previous.kind === 'word') return /^(?:else|do|try|finally)$/.test(previous.text);
    return previous.text === ';';
  }

  #match(pattern: RegExp): number {
    pattern.lastIndex = this.#position;
    return pattern.test(this.source) ? Math.min(pattern.lastIndex, this.end) : this.#position;
  }

  #until<Kind extends SourceToken['kind']>(position: number, kind: Kind): Kind {
    this.#position = Math.min(position, this.end);
    return kind;
  }
}
