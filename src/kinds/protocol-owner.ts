import type { LiveNamespace } from '../observe/live.ts';
import { HOST } from '../topology/model.ts';
import { interfaceOwner } from './interface.ts';
import { OWN_PROTOCOL } from './marks.ts';
import type { Owner, ReadContext } from './resource.ts';

/** What carries no text, but says who made it by the number of its protocol: routes, neighbours, nexthops. */
export interface Numbered {
  readonly id: string;
  readonly protocol: string | undefined;
  /** The interfaces that it is on. */
  readonly devs: readonly (string | undefined)[];
}

/**
 * Whose it is. The number only says that topoweave made it. Which lab did is told by the namespace; in the host's own, by
 * the interface or the record.
 */
export function ownerByProtocol(
  namespace: LiveNamespace,
  { id, protocol, devs }: Numbered,
  { lab, record, wanted }: ReadContext,
): Owner {
  const isMarked = protocol === String(OWN_PROTOCOL);
  if (namespace.name !== HOST) {
    if (namespace.mark?.lab !== lab) return 'foreign';
    // In a namespace of ours a wanted one is ours even if somebody replaced it by hand: that is drift to mend.
    return isMarked || wanted.has(id) ? 'ours' : 'foreign';
  }
  if (!isMarked) return 'foreign';
  const isOnOurLink = namespace.links.some(
    (link) => devs.includes(link.ifname) && interfaceOwner(link, lab) === 'ours',
  );
  if (isOnOurLink || record.hostObjects.includes(id)) return 'ours';
  const isOnOthersLink = namespace.links.some(
    (link) => devs.includes(link.ifname) && typeof interfaceOwner(link, lab) === 'object',
  );
  return !isOnOthersLink && isOrphan(id, { record, wanted }) ? 'ours' : 'foreign';
}

/** Whether a marked object of the host that no record names is the lab's, because its own record was damaged. */
export function isOrphan(id: string, { record, wanted }: Pick<ReadContext, 'record' | 'wanted'>): boolean {
  const { orphans } = record;
  if (orphans === undefined || orphans.named.has(id)) return false;
  return orphans.isAlone || wanted.has(id);
}
