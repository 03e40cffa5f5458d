import { readServices } from '../system/services/record.ts';
import type { Topology } from '../topology/model.ts';

/** The services of a namespace that should run and do not. */
export type DeadServices = (namespace: string) => readonly string[];

/** Looks for them once, when the first check asks about a namespace with services. */
export function deadServicesOf({ name: lab, namespaces }: Topology): DeadServices {
  let running: ReadonlySet<string> | undefined;
  return (namespace) => {
    const { services = [] } = namespaces.find(({ name }) => name === namespace) ?? {};
    if (services.length === 0) return [];
    running ??= runningServices(lab);
    const known = running;
    return services.flatMap(({ name }) => (known.has(`${namespace}/${name}`) ? [] : [name]));
  };
}

function runningServices(lab: string): Set<string> {
  return new Set(
    readServices(lab).flatMap(({ state, namespace, name }) =>
      state === 'running' ? [`${namespace}/${name}`] : [],
    ),
  );
}
