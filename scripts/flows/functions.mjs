import ts from 'typescript';

/**
 * A function that is written in a file of lib/.
 *
 * @typedef {object} WrittenFunction
 * @property {string} file its source below lib/, e.g. `cache/engine.ts`
 * @property {string} name e.g. `CacheEngine.fetch`, or `CacheEngine.fetch > callback of then`
 * @property {number} start offset in the compiled file
 * @property {number} end offset behind its last character
 */

/**
 * The functions of a compiled file, outer ones before those inside them. Module-level code, field initialisers and the
 * constructors that a class inherits are not functions that somebody wrote, so they are not among them.
 *
 * @param {string} file
 * @param {ts.SourceFile} source
 * @returns {(WrittenFunction & { node: ts.FunctionLikeDeclaration })[]}
 */
export function functionsOf(file, source) {
  const found = [];
  const taken = new Map();
  const unique = (name) => {
    const count = (taken.get(name) ?? 0) + 1;
    taken.set(name, count);
    return count === 1 ? name : `${name} #${count}`;
  };
  const visit = (node, outer) => {
    let scope = outer;
    if (isWritten(node)) {
      const own = nameOf(node);
      const name = unique(outer === undefined || own.includes('.') ? own : `${outer} > ${own}`);
      found.push({ file, name, start: node.getStart(source), end: node.end, node });
      scope = name;
    }
    ts.forEachChild(node, (child) => visit(child, scope));
  };
  visit(source, undefined);
  return found;
}

const isWritten = (node) => ts.isFunctionLike(node) && node.body !== undefined;

function nameOf(node) {
  const { parent } = node;
  if (ts.isConstructorDeclaration(node)) return `${classOf(node)}.constructor`;
  const accessor = ts.isGetAccessor(node) ? 'get ' : ts.isSetAccessor(node) ? 'set ' : '';
  if (ts.isClassLike(parent)) return `${classOf(node)}.${accessor}${textOf(node.name)}`;
  if (node.name) return accessor + textOf(node.name);
  if (ts.isPropertyDeclaration(parent)) return `${classOf(parent)}.${textOf(parent.name)}`;
  return assignedName(node) ?? 'function';
}

/** The name of the variable or property that holds the function, or of the function that it is handed to. */
function assignedName(node) {
  const { parent } = node;
  if (ts.isParenthesizedExpression(parent)) return assignedName(parent);
  if (ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent)) return textOf(parent.name);
  if (ts.isBinaryExpression(parent) && parent.right === node) return memberOf(parent.left);
  if (ts.isArrowFunction(parent)) return 'returned function';
  if (ts.isReturnStatement(parent)) return 'returned function';
  const isArgument = ts.isCallExpression(parent) || ts.isNewExpression(parent);
  return isArgument ? `callback of ${memberOf(parent.expression)}` : undefined;
}

const memberOf = (expression) =>
  ts.isPropertyAccessExpression(expression)
    ? textOf(expression.name)
    : ts.isIdentifier(expression)
      ? expression.text
      : 'expression';

const textOf = (name) => ('text' in name ? name.text : name.getText());

function classOf(member) {
  const { parent } = member;
  return parent.name?.text ?? assignedName(parent) ?? 'class';
}
