import type { Plan } from '../plan/step.ts';
import type { LabRecord } from '../system/record.ts';
import { HOST } from '../topology/model.ts';
import type { ExecutionResult } from './execute.ts';

type Sysctls = Record<string, Record<string, string>>;

/** The values that a plan is about to change, as they are, where the record has no earlier ones. */
export function claimSysctls(record: LabRecord, { steps }: Plan): LabRecord['sysctls'] {
  const sysctls: Sysctls = structuredClone(record.sysctls);
  for (const { kind, action, namespace } of steps) {
    // What is known of a namespace that had the name before says nothing of the new one.
    if (kind === 'namespace' && (action === 'create' || action === 'replace')) delete sysctls[namespace];
  }
  for (const { kind, namespace, before, action } of steps) {
    if (kind !== 'sysctl' || action === 'delete' || before === undefined) continue;
    sysctls[namespace] = { [String(before['name'])]: String(before['value']), ...sysctls[namespace] };
  }
  return sysctls;
}

/**
 * The record behind a run that may have ended anywhere: what was written for the first time has its earlier value from
 * now on, and only an earlier value that was really put back is forgotten. What was not reached stays known, so that the
 * next run gives it back.
 */
export function withWritten(
  record: LabRecord,
  { steps }: Plan,
  { sysctlsBefore, failures }: ExecutionResult,
): LabRecord {
  const sysctls: Sysctls = structuredClone(record.sysctls);
  const wants: Record<string, string> = { ...record.wants };
  for (const [namespace, values] of sysctlsBefore) {
    sysctls[namespace] = { ...Object.fromEntries(values), ...sysctls[namespace] };
  }
  const failed = new Set(failures.map(({ step }) => step.resource));
  for (const { kind, namespace, resource, before, action } of steps) {
    if (kind !== 'sysctl' || action !== 'delete' || failed.has(resource)) continue;
    const name = String(before?.['name']);
    if (sysctlsBefore.get(namespace)?.has(name) !== true) continue;
    delete sysctls[namespace]?.[name];
    if (namespace === HOST) delete wants[name];
  }
  return { ...record, sysctls, ...(record.wants === undefined ? {} : { wants }) };
}

/** When all is as the file says: what it does not name has its earlier value again, and is nobody's. */
export function sysctlsInUse({ sysctls }: LabRecord, { desired }: Plan): LabRecord['sysctls'] {
  const used = new Set(
    desired.flatMap(({ kind, namespace, attributes }) =>
      kind === 'sysctl' ? [`${namespace} ${attributes['name']}`] : [],
    ),
  );
  const kept = Object.entries(sysctls).map(([namespace, values]): [string, Record<string, string>] => [
    namespace,
    Object.fromEntries(Object.entries(values).filter(([name]) => used.has(`${namespace} ${name}`))),
  ]);
  return Object.fromEntries(kept.filter(([, values]) => Object.keys(values).length > 0));
}
