import { formatPercent, formatRate, formatSize, formatTime } from '../../lib/units.ts';
import type { ImpairmentSettings, LossModel, Topology } from '../../topology/model.ts';
import { interfaceKey } from '../normalize/context.ts';

/** A map of the long form. */
type Section = Record<string, object>;

/**
 * Adds the impairments to the interfaces of a document in long form, each at the end that it is about, and leaves out
 * the devices that were made for received packets.
 */
export function addImpairments(document: Readonly<Record<string, object>>, topology: Topology): void {
  if (topology.impairments.length === 0) return;
  const places = findPlaces(document);
  for (const { namespace, name, direction, via, settings } of topology.impairments) {
    const end = places.get(interfaceKey(namespace, name));
    const keys = longSettings(settings);
    if (end !== undefined) Object.assign(end, direction === 'egress' ? keys : { ingress: keys });
    if (via !== undefined) removeInterface(document, namespace, via);
  }
}

/** The settings of every interface, by namespace and name. */
function findPlaces(document: Readonly<Record<string, object>>): Map<string, object> {
  const places = new Map<string, object>();
  const addEndpoints = (endpoints: object | undefined) => {
    for (const [text, settings] of Object.entries(endpoints ?? {})) {
      const colon = text.indexOf(':');
      places.set(interfaceKey(text.slice(0, colon), text.slice(colon + 1)), settings);
    }
  };
  for (const bridge of Object.values(document['bridges'] ?? {})) addEndpoints((bridge as Section)['ports']);
  for (const link of (document['links'] ?? []) as Section[]) addEndpoints(link['endpoints']);
  for (const [name, tunnel] of Object.entries(document['tunnels'] ?? {})) {
    for (const [namespace, end] of Object.entries((tunnel as Section)['endpoints'] ?? {}))
      places.set(interfaceKey(namespace, name), end);
  }
  for (const namespace of Object.keys(document['namespaces'] ?? {})) {
    for (const [name, settings] of Object.entries(interfacesOf(document, namespace)))
      places.set(interfaceKey(namespace, name), settings);
  }
  return places;
}

function removeInterface(document: Readonly<Record<string, object>>, namespace: string, name: string): void {
  const interfaces = interfacesOf(document, namespace);
  delete interfaces[name];
  if (Object.keys(interfaces).length === 0) delete namespaceOf(document, namespace)?.interfaces;
}

function interfacesOf(document: Readonly<Record<string, object>>, namespace: string): Section {
  return namespaceOf(document, namespace)?.interfaces ?? {};
}

function namespaceOf(
  document: Readonly<Record<string, object>>,
  name: string,
): { interfaces?: Section } | undefined {
  return (document['namespaces'] as Record<string, { interfaces?: Section }> | undefined)?.[name];
}

function longSettings(settings: ImpairmentSettings): object {
  const { loss, distribution, gap, limit } = settings;
  const percent = (value: number) => (value === 0 ? undefined : formatPercent(value));
  return Object.fromEntries(
    Object.entries({
      delay: settings.delay === 0 ? undefined : formatTime(settings.delay),
      jitter: settings.jitter === 0 ? undefined : formatTime(settings.jitter),
      distribution: settings.jitter === 0 ? undefined : distribution,
      'delay-correlation': percent(settings.delayCorrelation),
      loss: typeof loss === 'number' ? percent(loss) : longLoss(loss),
      'loss-correlation': percent(settings.lossCorrelation),
      duplicate: percent(settings.duplicate),
      'duplicate-correlation': percent(settings.duplicateCorrelation),
      corrupt: percent(settings.corrupt),
      'corrupt-correlation': percent(settings.corruptCorrelation),
      reorder: percent(settings.reorder),
      'reorder-correlation': percent(settings.reorderCorrelation),
      gap: gap === 0 ? undefined : gap,
      rate: settings.rate === 0 ? undefined : formatRate(settings.rate),
      burst: settings.burst === 0 ? undefined : formatSize(settings.burst),
      limit,
    }).filter(([, value]) => value !== undefined),
  );
}

function longLoss({ model, chances }: LossModel): object {
  const names = model === 'gemodel' ? ['p', 'r', '1-h', '1-k'] : ['p13', 'p31', 'p32', 'p23', 'p14'];
  return { [model]: Object.fromEntries(names.map((name, at) => [name, formatPercent(chances[at] ?? 0)])) };
}
