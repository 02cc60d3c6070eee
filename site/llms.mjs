// Writes llms.txt (https://llmstxt.org): every page with its first sentence; and llms-full.txt, all pages in one.
import { readFileSync, writeFileSync } from 'node:fs';
import { pages } from './pages.mjs';

const read = (link) => readFileSync(new URL(`../docs${link}.md`, import.meta.url), 'utf8');

/** The first sentence of a page below its heading, without links. */
function summary(text) {
  const paragraph = text.split(/\n\s*\n/).find((part) => /^(?:[A-Z*]|`(?!`))/.test(part.trim())) ?? '';
  const plain = paragraph
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/\s+/g, ' ')
    .trim();
  return /^.*?[.:](?=\s|$)/.exec(plain)?.[0] ?? plain;
}

const groups = pages();
const lines = groups.flatMap(({ title, items }) => [
  `\n## ${title}\n`,
  ...items.map(({ text, link }) => `- [${text}](${link}.md): ${summary(read(link))}`),
]);
const head =
  '# nestjs-restflow-cache\n\n> Declarative caching for NestJS that is never stale after a committed change.\n';
const out = new URL('./dist/', import.meta.url);
writeFileSync(new URL('llms.txt', out), `${head}${lines.join('\n')}\n`);
writeFileSync(
  new URL('llms-full.txt', out),
  groups.flatMap(({ items }) => items.map(({ link }) => read(link))).join('\n\n'),
);
