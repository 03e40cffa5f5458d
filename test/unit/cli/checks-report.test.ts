import { expect, test } from 'vitest';
import type { CheckResult } from '../../../src/check/run-checks.ts';
import { checksJson, formatChecks } from '../../../src/report/checks.ts';
import { painter } from '../../../src/report/style.ts';
import { checkOf } from '../../support/check-topology.ts';

const passed: CheckResult = {
  check: checkOf({ kind: 'ping', from: 'alice', address: '192.0.2.1' }),
  ok: true,
  detail: '0.06 ms',
  attempts: 1,
  milliseconds: 3.4,
};
const failed: CheckResult = {
  check: checkOf({ kind: 'tcp', from: 'isp', address: '192.0.2.2', port: 8080, name: 'web is published' }),
  ok: false,
  detail: 'no answer in 5.0s (25 attempts): connection refused',
  attempts: 25,
  milliseconds: 5000.2,
};
const locate = (): string => 'office.yaml:9';

test('one line per check, with the place of what failed', () => {
  expect(formatChecks([passed, failed], locate, painter(false))).toBe(
    `ok    ping alice -> 192.0.2.1   0.06 ms
FAIL  web is published          no answer in 5.0s (25 attempts): connection refused  (office.yaml:9)
2 checks: 1 passed, 1 failed
`,
  );
});

test('the summary counts one and all', () => {
  expect(formatChecks([passed], locate, painter(false))).toMatch(/\n1 check: 1 passed\n$/);
  expect(formatChecks([failed], locate, painter(false))).toMatch(/\n1 check: 1 failed\n$/);
});

test('the JSON has the verdict and the port only where there is one', () => {
  expect(checksJson('office', [passed, failed], locate)).toMatchObject({
    schemaVersion: 1,
    lab: 'office',
    ok: false,
    checks: [
      { name: 'ping alice -> 192.0.2.1', ok: true, milliseconds: 3 },
      { name: 'web is published', port: 8080, ok: false, attempts: 25, place: 'office.yaml:9' },
    ],
  });
  expect(JSON.stringify(checksJson('office', [passed], locate))).not.toContain('"port"');
});
