/** What may stand before the path of a controller. */
export interface PathPrefixes {
  /** Of the application. */
  readonly global: string;
  /** Before a version that stands in the path, e.g. `v`; `undefined` where versions stand elsewhere. */
  readonly version: string | undefined;
  /** Those of modules that `RouterModule` mounts. */
  readonly modules: readonly string[];
}

/** The parameters that a router takes from a path. */
export type PathParams = Readonly<Record<string, string | readonly string[]>>;

/** The parts of Nest's patterns: `\\x`, `:id`, `:id(\\d+)`, `:id?`, `(.*)`, `*rest`, `{`, `}`, and plain text. */
const PARTS =
  /\\(.)|:([\p{ID_Start}$_][\p{ID_Continue}$]*)(\((?:\\.|[^()\\])+\))?(\?)?|\(\.\*\)|\*([\p{ID_Start}$_][\p{ID_Continue}$]*)?|([{}])|(.)/gsu;

/**
 * Tells whether a path leads to a route, and with which parameters: for paths that no request came by. Generous where routers
 * differ (case, a slash at the end, prefixes that a route leaves out): what it finds is dropped, and one too many costs a load.
 */
export class RoutePattern {
  readonly #groups: { readonly name: string; readonly isWildcard: boolean }[] = [];
  readonly #regexp: RegExp;

  /**
   * @param controllerPaths and `methodPaths`: as Nest's decorators have them
   * @param namesWildcards whether the platform gives wildcards their names, and their segments one by one (Express)
   */
  constructor(
    prefixes: PathPrefixes,
    controllerPaths: readonly string[],
    methodPaths: readonly string[],
    private readonly namesWildcards: boolean,
  ) {
    const version = prefixes.version === undefined ? '' : `(?:/${this.#compile(prefixes.version)}[^/]+)?`;
    const before = `${this.#anyOf([prefixes.global], true)}${version}${this.#anyOf(prefixes.modules, true)}`;
    this.#regexp = new RegExp(
      `^${before}${this.#anyOf(controllerPaths)}${this.#anyOf(methodPaths)}/?$`,
      'iu',
    );
  }

  /** @param path of a URI, percent-encoded as it came */
  match(path: string): PathParams | undefined {
    const found = this.#regexp.exec(path);
    if (found === null) return undefined;
    const params: Record<string, string | readonly string[]> = {};
    this.#groups.forEach(({ name, isWildcard }, index) => {
      const text = found[index + 1];
      if (text === undefined) return;
      if (!isWildcard) params[name] = decode(text);
      else if (this.namesWildcards) params[name] = text.split('/').map(decode);
      else params['*'] = decode(text);
    });
    return params;
  }

  #anyOf(paths: readonly string[], isOptional = false): string {
    const texts = paths
      .map((path) => path.replace(/^\/+|\/+$/g, ''))
      .map((path) => (path === '' ? '' : `/${path}`));
    const compiled = texts.filter((text) => text !== '').map((text) => this.#compile(text));
    if (compiled.length === 0) return '';
    return `(?:${compiled.join('|')})${isOptional || compiled.length < texts.length ? '?' : ''}`;
  }

  #compile(path: string): string {
    let pattern = '';
    for (const [, escaped, name, custom, optional, wildcard, brace, text] of path.matchAll(PARTS)) {
      if (name !== undefined) {
        const group = this.#group(name, custom === undefined ? '[^/]+?' : '.+?');
        if (optional === undefined) pattern += group;
        else
          pattern = pattern.endsWith('/') ? `${pattern.slice(0, -1)}(?:/${group})?` : `${pattern}${group}?`;
      } else if (brace !== undefined) pattern += brace === '{' ? '(?:' : ')?';
      else if (escaped ?? text) pattern += literal((escaped ?? text)!);
      else pattern += this.#group(wildcard ?? 'path', this.namesWildcards ? '.+' : '.*', true);
    }
    return pattern;
  }

  #group(name: string, pattern: string, isWildcard = false): string {
    this.#groups.push({ name, isWildcard });
    return `(${pattern})`;
  }
}

/** A character as it may stand in a URI: as it is, or percent-encoded. */
function literal(character: string): string {
  const plain = character.replace(/[\\^$.*+?()[\]{}|]/, '\\$&');
  const encoded = encodeURIComponent(character);
  return encoded === character || character === '/' ? plain : `(?:${plain}|${encoded})`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
