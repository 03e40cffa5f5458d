import { sysctlsOf } from '../kinds/sysctl.ts';
import type { Live } from '../observe/live.ts';
import type { Conflict, Plan } from '../plan/step.ts';
import { type LabRecord, peekRecord, recordedLabs } from '../system/record.ts';
import { HOST } from '../topology/model.ts';

type Values = Readonly<Record<string, string>>;

/** Parameters that are one in the kernel (devinet_sysctl_forward in net/ipv4/devinet.c, nf_conntrack_standalone.c). */
const twins: readonly (readonly [string, string])[] = [
  ['net.ipv4.ip_forward', 'net.ipv4.conf.all.forwarding'],
  ['net.netfilter.nf_conntrack_max', 'net.nf_conntrack_max'],
];

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
    // Whatever it is now: that is between the machine and the lab that still wants it.
    const isShared = value !== undefined && others.some(({ wants }) => of(wants, name) !== undefined);
    return [name, isShared ? value : before];
  });
  return { ...record, sysctls: { ...record.sysctls, [HOST]: Object.fromEntries(kept) } };
}

/** Parameters of the machine that another lab wants to have another value: applying would be a fight without an end. */
export function sharedConflicts({ desired }: Plan, lab: string): Conflict[] {
  const wanted = desired.filter(({ kind, namespace }) => kind === 'sysctl' && namespace === HOST);
  if (wanted.length === 0) return [];
  const others = otherRecords(lab);
  return wanted.flatMap(({ id, label, attributes, place }) => {
    const [name, value] = [String(attributes['name']), String(attributes['value'])];
    return others.flatMap((other): Conflict[] => {
      const theirs = of(other.wants, name);
      if (theirs === undefined || theirs === value) return [];
      return [
        {
          resource: id,
          namespace: HOST,
          label,
          lab: other.lab,
          message: `${name} of the host is to be ${value}, and the lab '${other.lab}' has it at ${theirs}`,
          hint: `give both the same value, leave it out of one of the files, or remove the other lab: topoweave destroy ${other.lab}`,
          place,
        },
      ];
    });
  });
}

/**
 * What is written down before the first change: what a lab wants of the machine's parameters, beside what it had until
 * now, and what they were before the first lab that changed them.
 */
export function claimShared(record: LabRecord, known: LabRecord, plan: Plan): LabRecord {
  const wanted = wantedOfHost(plan);
  if (wanted.length === 0) return record;
  const earlier = earlierValues(wanted, known);
  return {
    ...record,
    sysctls: { ...record.sysctls, [HOST]: { ...record.sysctls[HOST], ...earlier } },
    wants: { ...known.wants, ...Object.fromEntries(wanted) },
  };
}

/** The same when all is as the file says: what it does not name is not the lab's any more. */
export function withShared(record: LabRecord, plan: Plan): LabRecord {
  const { wants: _wants, sysctls, ...rest } = record;
  const { [HOST]: own = {}, ...inNamespaces } = sysctls;
  const wanted = wantedOfHost(plan);
  if (wanted.length === 0) return { ...rest, sysctls: inNamespaces };
  const names = new Set(wanted.map(([name]) => name));
  const before = {
    ...earlierValues(wanted, record),
    ...Object.fromEntries(Object.entries(own).filter(([name]) => names.has(name))),
  };
  return {
    ...rest,
    sysctls: Object.keys(before).length === 0 ? inNamespaces : { [HOST]: before, ...inNamespaces },
    wants: Object.fromEntries(wanted),
  };
}

function wantedOfHost({ desired }: Plan): [string, string][] {
  return desired.flatMap(({ kind, namespace, attributes }): [string, string][] =>
    kind === 'sysctl' && namespace === HOST
      ? [[String(attributes['name']), String(attributes['value'])]]
      : [],
  );
}

/**
 * What the parameters were before the first lab, as far as records know. A lab that wants one and has no earlier value
 * found it as it is: then a change since is not what was there before.
 */
function earlierValues(wanted: readonly (readonly [string, string])[], own: LabRecord): Values {
  const records = [own, ...otherRecords(own.lab)];
  const found = wanted.flatMap(([name]): [string, string][] => {
    const known = records.find(({ wants, sysctls }) => of(sysctls[HOST], name) ?? of(wants, name));
    const value = of(known?.sysctls[HOST], name) ?? of(known?.wants, name);
    return value === undefined ? [] : [[name, value]];
  });
  return Object.fromEntries(found);
}

/** The value of a parameter, under either of its names. */
function of(values: Values | undefined, name: string): string | undefined {
  if (values === undefined) return undefined;
  const own = values[name];
  if (own !== undefined) return own;
  const pair = twins.find((names) => names.includes(name));
  const twin = pair?.find((other) => other !== name);
  return twin === undefined ? undefined : values[twin];
}

function otherRecords(lab: string): LabRecord[] {
  return recordedLabs().flatMap((other) => (other === lab ? [] : [peekRecord(other)]));
}
