import { sysctlsOf } from '../kinds/sysctl.ts';
import type { Live } from '../observe/live.ts';
import type { Plan } from '../plan/step.ts';
import { type LabRecord, peekRecord, recordedLabs } from '../system/record.ts';
import { HOST } from '../topology/model.ts';

/**
 * Labs share the parameters of the machine's own namespace: two networks that route both need `ip_forward`. The lab that
 * goes first must not take it from the other one, and the last one puts back what was there before all of them.
 */
export function keepShared(record: LabRecord, live: Live): LabRecord {
  const own = record.sysctls[HOST] ?? {};
  const host = live.namespaces.get(HOST);
  if (host === undefined || Object.keys(own).length === 0) return record;
  const values = sysctlsOf(host);
  const others = otherRecords(record.lab);
  const kept = Object.entries(own).map(([name, before]): [string, string] => {
    const value = values.get(name);
    const isShared = value !== undefined && others.some(({ wants }) => wants?.[name] === value);
    return [name, isShared ? value : before];
  });
  return { ...record, sysctls: { ...record.sysctls, [HOST]: Object.fromEntries(kept) } };
}

/** What a lab wants of the machine's parameters, and what they were before the first lab that changed them. */
export function withShared(record: LabRecord, { desired }: Plan): LabRecord {
  const { wants: _wants, sysctls, ...rest } = record;
  const { [HOST]: own = {}, ...inNamespaces } = sysctls;
  const wanted = desired.flatMap(({ kind, namespace, attributes }): [string, string][] =>
    kind === 'sysctl' && namespace === HOST
      ? [[String(attributes['name']), String(attributes['value'])]]
      : [],
  );
  if (wanted.length === 0) return { ...rest, sysctls: inNamespaces };
  const others = otherRecords(record.lab);
  const before = wanted.flatMap(([name, value]): [string, string][] => {
    const shared = others.find(({ wants }) => wants?.[name] === value);
    const earlier = own[name] ?? shared?.sysctls[HOST]?.[name];
    return earlier === undefined ? [] : [[name, earlier]];
  });
  return {
    ...rest,
    sysctls: before.length === 0 ? inNamespaces : { [HOST]: Object.fromEntries(before), ...inNamespaces },
    wants: Object.fromEntries(wanted),
  };
}

function otherRecords(lab: string): LabRecord[] {
  return recordedLabs().flatMap((other) => (other === lab ? [] : [peekRecord(other)]));
}
