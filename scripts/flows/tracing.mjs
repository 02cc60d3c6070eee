import ts from 'typescript';

/**
 * A compiled file whose functions report each of their calls: the body of function 7 becomes
 * `return $call(7, () => { … })`. An async function hands its promise through, so that nothing settles later than before.
 *
 * @param {string} text
 * @param {ReturnType<typeof import('./functions.mjs').functionsOf>} functions of that text
 * @param {number} firstId the id of the first of them
 * @param {string} recorder URL of the module that exports `$call`
 */
export function traced(text, functions, firstId, recorder) {
  const edits = [{ at: 0, insert: `import { $call } from '${recorder}';\n` }];
  functions.forEach(({ node }, index) => edits.push(...editsOf(node, firstId + index)));
  // Where two arrows end at one place, the inner one, which comes later in the list, must be closed first.
  const ordered = edits
    .map((edit, order) => ({ ...edit, order }))
    .sort((a, b) => a.at - b.at || (a.closes ? b.order - a.order : a.order - b.order));
  let result = '';
  let done = 0;
  for (const { at, insert = '', remove = 0 } of ordered) {
    result += text.slice(done, at) + insert;
    done = at + remove;
  }
  return result + text.slice(done);
}

function editsOf(node, id) {
  const { body, asteriskToken, modifiers } = node;
  // A generator runs a piece at each next(): only its first piece is reported.
  if (asteriskToken) return [{ at: body.getStart() + 1, insert: ` $call(${id}, () => {});` }];
  const async = modifiers?.find(({ kind }) => kind === ts.SyntaxKind.AsyncKeyword);
  const open = `$call(${id}, ${async ? 'async ' : ''}() => `;
  const edits = async ? [{ at: async.getStart(), remove: async.end - async.getStart() }] : [];
  return ts.isBlock(body)
    ? [
        ...edits,
        { at: body.getStart() + 1, insert: ` return ${open}{` },
        { at: body.end - 1, insert: '});', closes: true },
      ]
    : [...edits, { at: body.getStart(), insert: open }, { at: body.end, insert: ')', closes: true }];
}
