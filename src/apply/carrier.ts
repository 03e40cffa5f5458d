import type { StepFailure } from '../engine/engine.ts';
import type { Resource } from '../kinds/resource.ts';

/**
 * A next hop that the kernel refuses because its device has no carrier yet (nh_valid_get_dev in net/ipv4/nexthop.c):
 * a bond whose members are up only at the next look at them, a tap device that a program has just opened.
 */
export function isWithoutCarrier({ step, message }: StepFailure): boolean {
  return (
    step.kind === 'nexthop' && /Carrier for nexthop device is down|[Nn]etwork is down|not up/.test(message)
  );
}

/** How often the kernel's word is taken again. */
export const CARRIER_INTERVAL_MS = 250;

/**
 * How long to wait for carriers, in milliseconds. The longest that anything here takes by itself is a bridge with the
 * spanning tree protocol, whose ports listen and learn for the forward delay each (br_forward_delay_timer_expired in
 * net/bridge/br_stp_timer.c); LACP and the monitoring of a bond end within seconds.
 */
export function carrierPatience(desired: readonly Resource[], failures: readonly StepFailure[]): number {
  const namespaces = new Set(failures.map(({ step }) => step.namespace));
  const delays = desired.flatMap(({ kind, namespace, attributes }) =>
    kind === 'bridge' && namespaces.has(namespace) && attributes['stp'] === true
      ? [Number(attributes['forward-delay'] ?? 15)]
      : [],
  );
  return 5_000 + 2_000 * Math.max(0, ...delays);
}
