import type { Attributes, Command, Resource, Value } from '../kinds/resource.ts';
import type { Place } from '../lib/diagnostic.ts';

export type Action = 'create' | 'update' | 'replace' | 'delete';

export interface AttributeChange {
  readonly attribute: string;
  readonly before: Value | undefined;
  readonly after: Value | undefined;
}

/**
 * One thing that happens to one resource. The plan's text, its JSON, the dry run, the shell commands and the execution
 * are renderings of the same list of steps. The inverse of a step is the step with `before` and `after` exchanged.
 */
export interface Step {
  /** `create gw/wan`; unique in a plan. */
  readonly id: string;
  readonly action: Action;
  readonly kind: string;
  readonly resource: string;
  readonly namespace: string;
  readonly label: string;
  readonly before: Attributes | undefined;
  readonly after: Attributes | undefined;
  readonly changes: readonly AttributeChange[];
  /** Why: what the file says, or what the kernel does by itself. */
  readonly reason: string;
  readonly place: Place | undefined;
  /** What it does to traffic; undefined: nothing. */
  readonly disrupts: string | undefined;
  /** Performed before everything that makes: the removal of the live object. */
  readonly removal: readonly Command[];
  /** Performed after the removals: the creation or the change. */
  readonly making: readonly Command[];
}

/** Something that is in the way and is not ours. Nothing is done while there is one. */
export interface Conflict {
  readonly resource: string;
  readonly namespace: string;
  readonly label: string;
  /** The lab that owns it, or undefined for a stranger's. */
  readonly lab: string | undefined;
  readonly message: string;
  readonly hint: string;
  readonly place: Place | undefined;
}

export interface Plan {
  readonly lab: string;
  readonly steps: readonly Step[];
  readonly conflicts: readonly Conflict[];
  readonly summary: { readonly add: number; readonly change: number; readonly destroy: number };
  readonly batches: readonly Batch[];
  readonly desired: readonly Resource[];
}

/** Commands that one program performs in one go, in one namespace. Batches of one layer do not depend on each other. */
export interface Batch {
  readonly layer: number;
  /** `ip6`: lines of `ip -6`, which one process of `ip` cannot perform together with others. */
  readonly tool: 'ip' | 'ip6' | 'bridge' | 'tc' | 'nft' | 'wg' | AsideTool;
  /** `host`: outside of the named namespaces. */
  readonly namespace: string;
  readonly commands: readonly { readonly command: Command; readonly step: Step }[];
}

/** What is done beside programs of iproute2 and nftables and messages to the kernel, in one way for both engines. */
export type AsideTool = 'conntrack' | 'ovs' | 'iptables' | 'file' | 'service';

const asideTools: ReadonlySet<string> = new Set<AsideTool>([
  'conntrack',
  'ovs',
  'iptables',
  'file',
  'service',
]);

export function isAsideTool(tool: string): tool is AsideTool {
  return asideTools.has(tool);
}

/** Whether a batch, or a command, is one of those. */
export function isAside<Item extends { readonly tool: string }>(
  item: Item,
): item is Item & { readonly tool: AsideTool } {
  return isAsideTool(item.tool);
}

/** The namespaces that performing a plan can have changed: those of its steps and of the other ends of their links. */
export function touchedNamespaces({ steps, batches }: Plan): Set<string> {
  const touched = new Set<string>();
  for (const { namespace } of batches) touched.add(namespace);
  for (const { namespace, before, after } of steps) {
    touched.add(namespace);
    for (const attributes of [before, after]) {
      const peer = String(attributes?.['peer'] ?? '');
      if (peer.includes('/')) touched.add(peer.slice(0, peer.indexOf('/')));
    }
  }
  return touched;
}
