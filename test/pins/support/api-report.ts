import { join } from 'node:path';
import ts from 'typescript';
import { declarationsOf } from './declarations.js';
import { DeclarationPrinter } from './declaration-printer.js';

/** An entry of the package, and the text that describes everything a user of it can name or be given. */
export interface ApiReport {
  readonly entry: string;
  readonly text: string;
}

/**
 * Exported names with their declarations, then the declarations that those mention without exporting them, then the names they
 * take from packages. The text holds no comments, no private members and no file names, and is sorted: moving
 * a declaration to another file does not change it. A subpath refers to what the main entry exports by name only.
 */
export function apiReports(root: string, entries: readonly string[]): ApiReport[] {
  const { program, folder } = declarationsOf(root, entries);
  const checker = program.getTypeChecker();
  const exported = (entry: string): ReadonlyMap<ts.Symbol, string> => {
    const file = program.getSourceFile(join(folder, `${entry}.d.ts`))!;
    const names = checker.getExportsOfModule(checker.getSymbolAtLocation(file)!);
    return new Map(names.map((symbol) => [resolved(checker, symbol), symbol.name]));
  };
  const main = exported('index');
  return entries.map((entry) => {
    const own = exported(entry);
    const printer = new DeclarationPrinter(checker, folder, new Map([...main, ...own]));
    return { entry, text: report(printer, own) };
  });
}

function report(printer: DeclarationPrinter, own: ReadonlyMap<ts.Symbol, string>): string {
  const ownNames = [...own].sort(([, a], [, b]) => compare(a, b));
  const declared = ownNames.map(([symbol]) => printer.print(symbol));
  const reachable: [string, string][] = [];
  for (let next = printer.nextMentioned(); next !== undefined; next = printer.nextMentioned())
    reachable.push([printer.labelOf(next), printer.print(next)]);
  reachable.sort(([a], [b]) => compare(a, b));
  return [
    '// Exported',
    ...declared,
    '// Mentioned by the declarations above, and not exported',
    ...reachable.map(([, text]) => text),
    '// Taken from packages',
    printer.packages().join('\n'),
  ].join('\n\n');
}

function resolved(checker: ts.TypeChecker, symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
