import { isDockerUserId, withDockerUser } from '../kinds/docker-user.ts';
import type { Live } from '../observe/live.ts';
import type { LabRecord } from '../system/record.ts';
import { HOST, type Topology } from '../topology/model.ts';
import { rememberFilledIn } from './filled-in.ts';

/** Whether the chain DOCKER-USER has to be read: where the file wants rules there, or the lab has made some. */
export function needsDockerUser(topology: Topology | undefined, record: LabRecord): boolean {
  return wantsDockerUser(topology) || record.hostObjects.some(isDockerUserId);
}

export function wantsDockerUser(topology: Topology | undefined): boolean {
  return (
    topology?.namespaces.some(
      ({ name, firewall }) => name === HOST && firewall.integrate?.with === 'docker-user',
    ) === true
  );
}

const filledIn = rememberFilledIn();

/** Rules are wanted only in chains that are there: topoweave makes none of Docker's. */
export function withFoundChains(topology: Topology, { dockerUser }: Live): Topology {
  if (!wantsDockerUser(topology) || dockerUser === undefined) return topology;
  const families = [...dockerUser.keys()].sort();
  return filledIn(topology, families.join(), () => withDockerUser(topology, families));
}
