import { pointer } from '../../lib/pointer.ts';
import { HOST } from '../../topology/model.ts';
import { addListed, type Draft, namespaceOf } from './draft.ts';
import type { Member } from './members.ts';

/**
 * Members find each other by name, as Docker has it in networks that a user made, and by what else a network calls them;
 * `hosts` says whether they get files for it.
 */
export function addNames(draft: Draft, members: readonly Member[], hosts = true): void {
  for (const { namespace, settings, at } of members) {
    for (const [index, alias] of (settings.aliases ?? []).entries())
      addListed(draft, { namespace, origin: `${at}/aliases/${index}` }, 'aliases', alias);
    // The machine keeps its own file.
    const target = namespace === HOST || !hosts ? undefined : namespaceOf(draft, namespace, at);
    if (target === undefined || target.hosts !== undefined) continue;
    target.hosts = {};
    draft.origins.set(pointer('namespaces', namespace, 'hosts'), at);
  }
}
