import { parseMark } from '../kinds/marks.ts';
import { HOST } from '../topology/model.ts';
import type { Live } from './live.ts';

/** A lab as its marks show it. */
export interface LabSummary {
  readonly name: string;
  readonly namespaces: readonly string[];
  /** How many marked interfaces there are, over all namespaces. */
  readonly interfaces: number;
}

/** The labs that have marks on this machine, by name. */
export function listLabs(live: Live): LabSummary[] {
  const labs = new Map<string, { namespaces: string[]; interfaces: number }>();
  const lab = (name: string) => {
    const found = labs.get(name) ?? { namespaces: [], interfaces: 0 };
    labs.set(name, found);
    return found;
  };
  for (const namespace of live.namespaces.values()) {
    if (namespace.mark !== undefined) lab(namespace.mark.lab).namespaces.push(namespace.name);
    for (const link of namespace.links) {
      const mark = link.ifname === 'lo' ? undefined : parseMark(link.ifalias);
      if (mark === undefined) continue;
      const entry = lab(mark.lab);
      entry.interfaces += 1;
      if (namespace.name === HOST && !entry.namespaces.includes(HOST)) entry.namespaces.push(HOST);
    }
  }
  // After a reboot, the database of Open vSwitch is what is left of a lab.
  for (const { lab: owner, ports } of live.ovs?.bridges ?? []) {
    for (const name of [owner, ...ports.map((port) => port.lab)]) {
      if (name === undefined) continue;
      const entry = lab(name);
      if (!entry.namespaces.includes(HOST)) entry.namespaces.push(HOST);
    }
  }
  return [...labs].map(([name, entry]) => ({ name, ...entry })).sort((a, b) => (a.name < b.name ? -1 : 1));
}
