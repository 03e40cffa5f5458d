import { bridgeOf, type Interface } from '../../topology/model.ts';
import { interfaceKey } from '../normalize/context.ts';

/**
 * The interfaces without an mtu that the file did not say and that is more than their bridge's. Written out it would be
 * a wish, which is refused; left out it is derived again, and to the same.
 */
export function withoutLargerMtus(interfaces: readonly Interface[]): readonly Interface[] {
  const byKey = new Map(interfaces.map((item) => [interfaceKey(item.namespace, item.name), item]));
  return interfaces.map((item) => {
    const name = bridgeOf(item);
    if (name === undefined || item.mtu === undefined || item.mtuPlace !== undefined) return item;
    const bridge = byKey.get(interfaceKey(item.namespace, name));
    const isLarger = bridge?.mtu !== undefined && item.mtu > bridge.mtu;
    return isLarger ? { ...item, mtu: undefined } : item;
  });
}
