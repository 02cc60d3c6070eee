import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import ts from 'typescript-eslint';

const node = [
  'process',
  'console',
  'Buffer',
  'URL',
  'fetch',
  'performance',
  'setTimeout',
  'clearTimeout',
  'setInterval',
];
const globals = Object.fromEntries(
  [...node, 'clearInterval', 'setImmediate', 'queueMicrotask', 'AbortController'].map((name) => [
    name,
    'readonly',
  ]),
);

export default defineConfig(
  globalIgnores([
    '**/dist/',
    '**/node_modules/',
    'site/.cache/',
    'site/.vitepress/.temp/',
    'coverage/',
    '.tmp/',
    'test/compat/fixtures/',
  ]),
  js.configs.recommended,
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  { files: ['**/*.mjs'], languageOptions: { globals } },
  {
    // Runs in browsers, as it stands here.
    files: ['lib/dashboard/assets/*.js'],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'document',
          'window',
          'location',
          'fetch',
          'EventSource',
          'setTimeout',
          'setInterval',
          'clearInterval',
          'Intl',
          'Element',
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
  {
    files: ['**/*.ts'],
    extends: [ts.configs.recommended],
    // What a decorated constructor names only as a type is a value to Nest: its token.
    languageOptions: { parserOptions: { emitDecoratorMetadata: true, experimentalDecorators: true } },
    rules: {
      // With verbatimModuleSyntax an import whose names are all `type` still loads its module.
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // `Function` is what Nest and TypeORM call a class.
      '@typescript-eslint/no-unsafe-function-type': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    // What needs types is checked where it matters: a promise nobody waits for is a lost invalidation.
    files: ['lib/**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      'max-lines': ['error', { max: 400 }],
      'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx'] }],
      'no-console': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  {
    // Tests name what they expect to be wrong.
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/no-unused-expressions': 'off',
    },
  },
);
