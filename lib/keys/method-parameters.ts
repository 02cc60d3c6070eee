import { type DeclaredParameters, readList, readParameters, SourceScanner } from './function-source.js';

/** The parameters of a method of a class. */
export interface MethodParameters extends DeclaredParameters {
  /** True if it may take more arguments than its source declares. */
  readonly hasUnknownArity: boolean;
}

/**
 * Reads the parameters of a method that another decorator may have wrapped, or a compiler rewritten:
 *
 * - The source of a class holds its methods as they were written, whatever a decorator put into their place (`@Transactional()`).
 * - Below ES2017 an async method becomes one that hands its `arguments` to a generator, which declares the parameters.
 * - Elsewhere a function that uses `arguments`, or whose source is hidden, may take any number of them.
 */
export function methodParameters(owner: Function, methodName: string, method: Function): MethodParameters {
  const source = sourceOf(method);
  const ownerSource = sourceOf(owner);
  const written = ownerSource.includes(source) ? undefined : writtenMethod(ownerSource, methodName);
  if (written !== undefined) return withForwarded(written.declared, written.source);
  return withForwarded(readParameters(method), source);
}

/** A compiler may leave fewer parameters in the method than the generator has that it hands its arguments to. */
function withForwarded(declared: DeclaredParameters, source: string): MethodParameters {
  const forwarded = forwardedParameters(source);
  const parameters =
    forwarded !== undefined && forwarded.names.length > declared.names.length ? forwarded : declared;
  return { ...parameters, hasUnknownArity: /\barguments\b/.test(source) || isHidden(source) };
}

const sourceOf = (one: Function): string => Function.prototype.toString.call(one);

/** Native and bound functions have no source. */
function isHidden(source: string): boolean {
  return /\{\s*\[native code\]\s*\}$/.test(source);
}

/** A method as the body of its class holds it. */
interface WrittenMethod {
  readonly declared: DeclaredParameters;
  readonly source: string;
}

function writtenMethod(source: string, methodName: string): WrittenMethod | undefined {
  if (!/^class\b/.test(source)) return undefined;
  const scanner = new SourceScanner(source);
  let body = scanner.next();
  // The `extends` clause may contain braces too, so the last ones are those of the class.
  for (let token = scanner.next(); token !== undefined; token = scanner.next())
    if (token.text.startsWith('{')) body = token;
  return body === undefined ? undefined : methodIn(source, body.start + 1, body.end - 1, methodName);
}

/** Words before a name that make it no method of an instance. */
const OTHER_MEMBERS = new Set(['static', 'get', 'set']);

function methodIn(source: string, start: number, end: number, name: string): WrittenMethod | undefined {
  const scanner = new SourceScanner(source, start, end);
  let [word, before, beforeThat] = ['', '', ''];
  for (let token = scanner.next(); token !== undefined; token = scanner.next()) {
    if (word === name && token.text.startsWith('(')) {
      const body = scanner.next();
      const isMethod = !OTHER_MEMBERS.has(before) && !(before === 'async' && beforeThat === 'static');
      if (body?.text.startsWith('{') === true && isMethod)
        return { declared: readList(source, token), source: source.slice(token.start, body.end) };
      word = body?.text ?? '';
      continue;
    }
    [word, before, beforeThat] = [token.text, word, before];
  }
  return undefined;
}

/** How TypeScript (`__awaiter`), swc and Babel (`_async_to_generator`) hand the arguments of a method on. */
const TO_GENERATOR =
  /(?:__awaiter\(this, arguments, [^,]*,|_async_?to_?generator\()\s*function\s*\*?\s*[\w$]*\s*(?=\()/i;

function forwardedParameters(source: string): DeclaredParameters | undefined {
  const found = TO_GENERATOR.exec(source);
  if (found === null) return undefined;
  const list = new SourceScanner(source, found.index + found[0].length).next();
  return list === undefined ? undefined : readList(source, list);
}
