import { bridgeOf, HOST, type Interface, type Topology } from './model.ts';

/**
 * The interfaces of a lab in the machine's own namespace by which the machine itself receives and sends packets, so that
 * its filters see their names: those that the lab makes, and bridges of the machine that it has ports in. What is a port
 * of a bridge, or in a bond, is not among them. Nor is an adopted interface of another kind: it is the machine's way to
 * the world, not the lab's alone, and what goes between it and the lab goes by an interface of the lab as well.
 */
export function hostInterfaces({ interfaces }: Topology): Interface[] {
  return interfaces.filter((item) => item.namespace === HOST && isOwn(item) && !isPort(item));
}

function isOwn(item: Interface): boolean {
  if (item.kind === 'adopted') return item.isBridge === true;
  return item.kind !== 'loopback' && item.kind !== 'ifb';
}

/** An internal port of Open vSwitch is an interface of the machine too. */
function isPort(item: Interface): boolean {
  return item.kind === 'ovs-internal' ? item.master !== undefined : bridgeOf(item) !== undefined;
}
