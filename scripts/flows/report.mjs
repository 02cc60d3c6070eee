// What a flow executes: its files and functions, figures about them, and who calls whom.

/** @typedef {import('./functions.mjs').WrittenFunction} WrittenFunction */

/**
 * @typedef {object} FlowReport
 * @property {{ file: string, functions: string[] }[]} files those with the most functions first
 * @property {{ files: number, functions: number, filesWithOneFunction: number, shareOfFiveLargestFiles: number }} figures
 * @property {string[]} tree one line a call, indented below its caller
 */

/**
 * @param {WrittenFunction[]} functions every function of lib/
 * @param {{ path: string, ranges: { start: number, end: number }[] }[]} coverage
 * @param {import('./recorder.mjs').Call[]} calls
 * @returns {FlowReport}
 */
export function reportOf(functions, coverage, calls) {
  const files = filesOf(executedFunctions(functions, coverage));
  return { files, figures: figuresOf(files), tree: linesOf(calls, functions, '') };
}

/**
 * V8 tells where a function ends as the syntax tree does, but not where it begins: a method begins at its parenthesis. Ranges
 * at which no written function ends are module code, field initialisers and inherited constructors.
 */
function executedFunctions(functions, coverage) {
  const byEnd = grouped(functions, placeOf);
  return coverage.flatMap(({ path, ranges }) => {
    const file = path.replace(/\.js$/, '.ts');
    return ranges.flatMap(({ start, end }) => nearest(byEnd.get(placeOf({ file, end })) ?? [], start));
  });
}

const placeOf = ({ file, end }) => `${file}:${end}`;

/** Of several arrows that end at one place, the one that begins there. */
function nearest(candidates, start) {
  const distance = (one) => Math.abs(one.start - start);
  return candidates.toSorted((a, b) => distance(a) - distance(b)).slice(0, 1);
}

function grouped(list, keyOf) {
  const groups = new Map();
  for (const one of list) {
    const group = groups.get(keyOf(one));
    if (group) group.push(one);
    else groups.set(keyOf(one), [one]);
  }
  return groups;
}

function filesOf(executed) {
  return [...grouped(new Set(executed), ({ file }) => file)]
    .map(([file, functions]) => ({ file, functions: functions.map(({ name }) => name) }))
    .sort((a, b) => b.functions.length - a.functions.length || (a.file < b.file ? -1 : 1));
}

function figuresOf(files) {
  const count = (list) => list.reduce((sum, { functions }) => sum + functions.length, 0);
  const functions = count(files);
  return {
    files: files.length,
    functions,
    filesWithOneFunction: files.filter((one) => one.functions.length === 1).length,
    shareOfFiveLargestFiles: functions === 0 ? 0 : count(files.slice(0, 5)) / functions,
  };
}

/** Calls that follow each other and do the same are one line with their number. */
function linesOf(calls, functions, indent) {
  const groups = [];
  for (const { id, calls: inner } of calls) {
    const { file, name } = functions[id];
    const lines = [`${indent}${file}:${name}`, ...linesOf(inner, functions, `${indent}  `)];
    const last = groups.at(-1);
    if (last?.lines.join() === lines.join()) last.times++;
    else groups.push({ lines, times: 1 });
  }
  return groups.flatMap(({ lines: [first, ...rest], times }) => [
    times > 1 ? `${first} (${times} times)` : first,
    ...rest,
  ]);
}

/** @param {Record<string, FlowReport>} reports by the name of the flow */
export function tableOf(reports) {
  const rows = Object.entries(reports).map(([name, { figures }]) => [
    name,
    String(figures.files),
    String(figures.functions),
    String(figures.filesWithOneFunction),
    `${Math.round(figures.shareOfFiveLargestFiles * 100)} %`,
  ]);
  const head = [
    'flow',
    'files',
    'functions',
    'files with one function',
    'functions in the five largest files',
  ];
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

/** Files, functions and call tree of one flow. @param {FlowReport} report */
export function textOf(title, { files, tree }) {
  const listed = files.map(({ file, functions }) => `${file} (${functions.length}): ${functions.join(', ')}`);
  return [
    `${title}\n`,
    ...listed,
    '\nCalls in order, each below the function that it was made in:\n',
    ...tree,
  ].join('\n');
}
