import { pages, readPage } from '../../docs/code-blocks.js';

/** `heading: option = default` for every row of every table in docs/ that has a column of defaults. */
export function documentedDefaults(): string[] {
  return pages().flatMap((page) => {
    const defaults: string[] = [];
    let heading = page;
    let column = -1;
    for (const line of readPage(page).split('\n')) {
      if (line.startsWith('#')) heading = `${page}, ${line.replace(/^#+ /, '')}`;
      if (!line.startsWith('|')) {
        column = -1;
        continue;
      }
      const cells = line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim());
      if (cells.includes('Default')) column = cells.indexOf('Default');
      else if (column >= 0 && !/^-+$/.test(cells[0]!))
        defaults.push(`${heading}: ${cells[0]} = ${cells[column]}`);
    }
    return defaults;
  });
}
