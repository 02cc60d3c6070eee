import ts from 'typescript';

type Member = ts.ClassElement | ts.TypeElement;

/** Users get instances of these from the library; their constructors take its inner parts, which may change. */
const MADE_BY_LIBRARY = new Set([
  'CacheService',
  'CachedMethod',
  'InvalidationWorker',
  'RestflowCacheModule',
]);

/** Prints declarations in one canonical form, and remembers which others they mention. */
export class DeclarationPrinter {
  private readonly printer = ts.createPrinter({ removeComments: true });
  private readonly labels: Map<ts.Symbol, string>;
  private readonly waiting: ts.Symbol[] = [];
  private readonly foreign = new Map<string, Set<string>>();

  constructor(
    private readonly checker: ts.TypeChecker,
    /** Where the library's declarations are; every other file belongs to a package. */
    private readonly folder: string,
    exported: ReadonlyMap<ts.Symbol, string>,
  ) {
    this.labels = new Map(exported);
  }

  /** A mentioned declaration that has not been printed yet. */
  nextMentioned(): ts.Symbol | undefined {
    return this.waiting.shift();
  }

  /** The name under which a declaration stands in the report; two of one name in different files differ by a number. */
  labelOf(symbol: ts.Symbol): string {
    const known = this.labels.get(symbol);
    if (known !== undefined) return known;
    const taken = new Set(this.labels.values());
    let label = symbol.name;
    for (let number = 2; taken.has(label); number++) label = `${symbol.name}_${number}`;
    this.labels.set(symbol, label);
    this.waiting.push(symbol);
    return label;
  }

  print(symbol: ts.Symbol): string {
    return symbol.declarations!.map((declaration) => this.printDeclaration(declaration)).join('\n');
  }

  /** `typeorm: DataSource, Repository`. */
  packages(): string[] {
    return [...this.foreign]
      .map(([specifier, names]) => `${specifier}: ${[...names].sort().join(', ')}`)
      .sort();
  }

  private printDeclaration(declaration: ts.Declaration): string {
    const file = declaration.getSourceFile();
    // A variable alone has neither its keyword nor its semicolon.
    const node: ts.Node = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
    const { transformed, dispose } = ts.transform(node, [
      (context) => (root) => this.canonical(root, context),
    ]);
    const text = this.printer.printNode(ts.EmitHint.Unspecified, transformed[0]!, file);
    (dispose as () => void)();
    return text.replace(/^(export )?(default )?(declare )?/, '');
  }

  private canonical(root: ts.Node, context: ts.TransformationContext): ts.Node {
    // A class without its private members is made, and stands in no file.
    const file = root.getSourceFile();
    const visit = (node: ts.Node): ts.Node => {
      if (ts.isImportTypeNode(node)) return this.imported(ts.visitEachChild(node, visit, context), node);
      if (ts.isIdentifier(node)) return this.named(node);
      // Left out before its parameters are looked at.
      if (ts.isClassDeclaration(node)) node = withVisibleMembers(node);
      const visited = ts.visitEachChild(node, visit, context);
      return this.sorted(visited, file);
    };
    return visit(root);
  }

  /** `import("./a.js").A<B>` as `A<B>`. */
  private imported(visited: ts.ImportTypeNode, node: ts.ImportTypeNode): ts.Node {
    const { qualifier } = node;
    const own = qualifier && this.ownSymbol(this.checker.getSymbolAtLocation(qualifier));
    if (own === undefined) return visited;
    const name = ts.factory.createIdentifier(this.labelOf(own));
    return node.isTypeOf
      ? ts.factory.createTypeQueryNode(name, visited.typeArguments)
      : ts.factory.createTypeReferenceNode(name, visited.typeArguments);
  }

  private named(node: ts.Identifier): ts.Node {
    const symbol = this.checker.getSymbolAtLocation(node);
    const own = this.ownSymbol(symbol);
    if (own !== undefined) return ts.factory.createIdentifier(this.labelOf(own));
    this.noteForeign(symbol);
    return node;
  }

  /** The symbol behind an import, when the library declares it at the top of one of its files. */
  private ownSymbol(symbol: ts.Symbol | undefined): ts.Symbol | undefined {
    if (symbol === undefined) return undefined;
    const target = symbol.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(symbol) : symbol;
    const declaration = target.declarations?.[0];
    if (declaration === undefined || !declaration.getSourceFile().fileName.startsWith(this.folder))
      return undefined;
    const statement = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
    return ts.isSourceFile(statement.parent) ? target : undefined;
  }

  private noteForeign(symbol: ts.Symbol | undefined): void {
    const specifier = symbol?.declarations?.find((declaration) => ts.isImportSpecifier(declaration));
    if (specifier === undefined) return;
    const source = (specifier.parent.parent.parent.moduleSpecifier as ts.StringLiteral).text;
    const names = this.foreign.get(source) ?? new Set();
    this.foreign.set(source, names.add((specifier.propertyName ?? specifier.name).text));
  }

  /** Members by name, without private ones, and the parts of a union by their text: their order means nothing. */
  private sorted(node: ts.Node, file: ts.SourceFile): ts.Node {
    const { factory } = ts;
    if (ts.isClassDeclaration(node)) {
      const { modifiers, name, typeParameters, heritageClauses } = node;
      const members = byName(node.members, file);
      return factory.updateClassDeclaration(
        node,
        modifiers,
        name,
        typeParameters,
        heritageClauses,
        members as ts.ClassElement[],
      );
    }
    if (ts.isInterfaceDeclaration(node)) {
      const { modifiers, name, typeParameters, heritageClauses } = node;
      const members = byName(node.members, file) as ts.TypeElement[];
      return factory.updateInterfaceDeclaration(
        node,
        modifiers,
        name,
        typeParameters,
        heritageClauses,
        members,
      );
    }
    if (ts.isTypeLiteralNode(node))
      return factory.updateTypeLiteralNode(
        node,
        factory.createNodeArray(byName(node.members, file) as ts.TypeElement[]),
      );
    if (ts.isUnionTypeNode(node)) {
      const text = (part: ts.TypeNode) => this.printer.printNode(ts.EmitHint.Unspecified, part, file);
      const parts = [...node.types].sort((a, b) => (text(a) < text(b) ? -1 : 1));
      return factory.updateUnionTypeNode(node, factory.createNodeArray(parts));
    }
    return node;
  }
}

function withVisibleMembers(node: ts.ClassDeclaration): ts.ClassDeclaration {
  const { modifiers, name, typeParameters, heritageClauses } = node;
  const members = node.members.filter(
    (member) =>
      isVisible(member) && !(ts.isConstructorDeclaration(member) && MADE_BY_LIBRARY.has(name!.text)),
  );
  return ts.factory.updateClassDeclaration(node, modifiers, name, typeParameters, heritageClauses, members);
}

/** Constructors that are private stay: they say that users cannot call `new`. */
function isVisible(member: ts.ClassElement): boolean {
  if (ts.isConstructorDeclaration(member)) return true;
  if (member.name !== undefined && ts.isPrivateIdentifier(member.name)) return false;
  return !(ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private);
}

/** Overloads keep their order. */
function byName(members: readonly Member[], file: ts.SourceFile): readonly Member[] {
  const key = (member: Member): string => {
    const name = member.name;
    if (name === undefined) return '';
    const text = ts.isIdentifier(name) || ts.isStringLiteral(name) ? name.text : name.getText(file);
    return ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Static ? ` static ${text}` : text;
  };
  return members
    .map((member) => [key(member), member] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, member]) => member);
}
