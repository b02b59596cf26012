// What the compiler does not see: promises nobody waits for, and who may touch the process.
import js from '@eslint/js'
import { defineConfig, globalIgnores } from 'eslint/config'
import svelte from 'eslint-plugin-svelte'
import tseslint from 'typescript-eslint'

const processProperty = (property, message) => ({ object: 'process', property, message })
const noEnvironment = processProperty('env', 'Only src/config.ts reads the environment: take the setting from Config.')
const noOwnEnd = ['argv', 'exit', 'exitCode'].map((name) => processProperty(name, 'Only the command line owns argv and exit codes.'))

export default defineConfig(
  globalIgnores(['data/', 'runtime/', 'web/dist/', 'web/.building-*/']),
  js.configs.recommended,
  tseslint.configs.recommended,
  svelte.configs.recommended,
  {
    files: ['**/*.ts', '**/*.svelte'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-floating-promises': [
        'error',
        // The runner of node:test waits for its tests itself.
        { allowForKnownSafeCalls: [{ from: 'package', package: 'node:test', name: ['test', 'it', 'describe', 'suite'] }] },
      ],
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-unnecessary-type-assertion': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      eqeqeq: 'error',
    },
  },
  {
    files: ['src/**'],
    rules: {
      'no-console': 'error',
      'no-restricted-imports': ['error', { paths: [{ name: 'node:process', message: 'Use the global process.' }, 'process'] }],
      'no-restricted-properties': ['error', noEnvironment, ...noOwnEnd],
    },
  },
  // What only tests set is no setting.
  { files: ['src/config.ts', 'src/failpoints.ts'], rules: { 'no-restricted-properties': ['error', ...noOwnEnd] } },
  { files: ['src/cli.ts', 'src/cli/**'], rules: { 'no-console': 'off', 'no-restricted-properties': ['error', noEnvironment] } },
  // A child process has its own end, and is given its own environment.
  { files: ['src/process/**'], rules: { 'no-restricted-properties': 'off' } },
  {
    // Runes are no function calls of theirs, and the types know the globals.
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: tseslint.parser, extraFileExtensions: ['.svelte'] } },
  },
  // The types know the globals. Lists of thousands change as a whole, or by a version of their own; a Map of Svelte's has a signal for each key.
  { files: ['web/**'], rules: { 'no-undef': 'off', 'svelte/prefer-svelte-reactivity': 'off' } },
  { files: ['**/*.cjs'], languageOptions: { sourceType: 'commonjs', globals: { module: 'writable' } } },
)
