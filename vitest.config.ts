import { defineConfig } from 'vitest/config';

// The kernel's own timers (handshakes, spanning tree, duplicate address detection) meet busy machines: what fails is tried
// once more, and the report says so.
const retry = 1;

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts', 'test/golden/**/*.test.ts'] } },
      {
        test: {
          name: 'kernel',
          include: ['test/kernel/**/*.test.ts'],
          fileParallelism: false,
          isolate: false,
          pool: 'forks',
          retry,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'guest',
          include: ['test/guest/**/*.test.ts'],
          fileParallelism: false,
          isolate: false,
          pool: 'forks',
          retry,
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
