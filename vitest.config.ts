import { defineConfig } from 'vitest/config';

const shared = {
  pool: 'forks',
  // One process runs many files; each file gets databases of its own from test/setup/test-backends.ts.
  isolate: false,
  globalSetup: ['test/setup/start-backends.ts'],
  hookTimeout: 30_000,
} as const;

export default defineConfig({
  test: {
    reporters: ['default', './test/setup/totals-reporter.ts'],
    projects: [
      {
        extends: true,
        test: {
          ...shared,
          name: 'default',
          include: ['test/**/*.test.ts'],
          exclude: ['test/bench/**', '**/node_modules/**'],
          testTimeout: 20_000,
        },
      },
      {
        extends: true,
        test: {
          ...shared,
          name: 'long',
          include: ['test/**/*.long.ts'],
          exclude: ['**/node_modules/**'],
          testTimeout: 900_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
