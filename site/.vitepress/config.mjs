import { cpSync, rmSync, watch } from 'node:fs';
import { defineConfig } from 'vitepress';
import { pages } from '../pages.mjs';

const repository = 'https://github.com/nestjs-restflow-cache/nestjs-restflow-cache';

const docs = new URL('../../docs/', import.meta.url);
const copied = new URL('../pages/', import.meta.url);

/** Vue would not be found from docs/, so the pages are copied beside the packages of the site. */
function copyPages() {
  rmSync(copied, { recursive: true, force: true });
  cpSync(docs, copied, { recursive: true });
}

copyPages();
if (!process.argv.includes('build'))
  watch(docs, { recursive: true }, (_, name) => name && cpSync(new URL(name, docs), new URL(name, copied)));

export default defineConfig({
  title: 'nestjs-restflow-cache',
  description: 'Declarative caching for NestJS that is never stale after a committed change.',
  srcDir: 'pages',
  outDir: 'dist',
  cacheDir: '.cache',
  base: process.env.SITE_BASE ?? '/',
  cleanUrls: true,
  lastUpdated: false,
  markdown: {
    config(markdown) {
      // Links out of docs/ lead to the repository. Those within it must exist, or the build fails.
      markdown.core.ruler.push('links-of-the-repository', ({ tokens }) => {
        for (const token of tokens.flatMap(({ children }) => children ?? [])) {
          const href = token.type === 'link_open' ? token.attrGet('href') : null;
          const outside = href?.match(/^(?:\.\.\/)+((?:lib|sample|test|bench|dashboards)\/.*)$/);
          if (outside) token.attrSet('href', `${repository}/blob/main/${outside[1]}`);
        }
      });
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    sidebar: pages().map(({ title, items }) => ({ text: title, items })),
    socialLinks: [{ icon: 'github', link: repository }],
    outline: 'deep',
  },
});
