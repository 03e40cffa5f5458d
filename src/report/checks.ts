import type { CheckResult } from '../check/run-checks.ts';
import type { Place } from '../lib/diagnostic.ts';
import type { Check } from '../topology/model.ts';
import type { Paint } from './style.ts';
import { visible } from './visible.ts';

type Locate = (place: Place) => string;

/** One line per check, in the file's order, and a summary. What failed shows where the file asks for it. */
export function formatChecks(results: readonly CheckResult[], locate: Locate, paint: Paint): string {
  const width = Math.max(0, ...results.map(({ check }) => check.name.length));
  const lines = results.map(({ check, ok, detail }) => {
    const word = ok ? paint('green', 'ok  ') : paint('red', 'FAIL');
    const place = ok ? '' : paint('dim', `  (${locate(check.place)})`);
    const shown = `${ok ? '' : addressTried(check)}${visible(detail)}`;
    return `${word}  ${visible(check.name).padEnd(width)}   ${shown}${place}\n`;
  });
  return `${lines.join('')}${summary(results, paint)}\n`;
}

/** A namespace has several addresses: which one did not answer is half of the reason. */
function addressTried({ to, address, port }: Check): string {
  if (to === address) return '';
  if (port === undefined) return `${address}: `;
  return `${address.includes(':') ? `[${address}]` : address}:${port}: `;
}

export function checksJson(lab: string, results: readonly CheckResult[], locate: Locate): object {
  return {
    schemaVersion: 1,
    lab,
    ok: results.every(({ ok }) => ok),
    checks: results.map(({ check, ok, detail, listener, attempts, milliseconds }) => ({
      name: check.name,
      kind: check.kind,
      from: check.from,
      to: check.to,
      address: check.address,
      ...(check.port === undefined ? {} : { port: check.port }),
      expect: check.expect,
      ok,
      detail,
      ...(check.port === undefined ? {} : { listener: listener ?? null }),
      attempts,
      milliseconds: Math.round(milliseconds),
      place: locate(check.place),
    })),
  };
}

function summary(results: readonly CheckResult[], paint: Paint): string {
  const failed = results.filter(({ ok }) => !ok).length;
  const passed = results.length - failed;
  const total = `${results.length} ${results.length === 1 ? 'check' : 'checks'}`;
  if (failed === 0) return `${total}: ${paint('green', `${passed} passed`)}`;
  const failures = paint('red', `${failed} failed`);
  return passed === 0 ? `${total}: ${failures}` : `${total}: ${passed} passed, ${failures}`;
}
