import fc from 'fast-check';

/** An mtu now and then: at the least, below and at what IPv6 needs, as usual, and large. */
const mtu = fc.oneof(
  { weight: 6, arbitrary: fc.constant({}) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...[100, 1279, 1400, 1500, 9000].map((bytes) => ({ mtu: bytes }))),
  },
);

const tunnelEnds = {
  a: { local: '10.0.0.1', remote: '10.0.0.2' },
  b: { local: '10.0.0.2', remote: '10.0.0.1' },
};

/** Interfaces upon interfaces in one namespace, whose mtus follow from each other. Not each file is valid. */
export const layers: fc.Arbitrary<object> = fc
  .record({
    mtus: fc.array(mtu, { minLength: 12, maxLength: 12 }),
    bridged: fc.subarray(['d0', 'tap', 'v5', 'eth1', 'vx', 'gt']),
    bonded: fc.subarray(['d1', 'd2', 'v6']),
    below: fc.constantFrom('eth0', 'br', 'bo', 'vx'),
    defaults: mtu,
  })
  .map(({ mtus, bridged, bonded, below, defaults }) => ({
    name: 'lab',
    defaults,
    namespaces: {
      a: {
        interfaces: {
          d0: { type: 'dummy', ...mtus[0] },
          d1: { type: 'dummy', ...mtus[1] },
          d2: { type: 'dummy' },
          tap: { type: 'tap', ...mtus[2] },
          v5: { type: 'vlan', id: 5, link: 'eth0', ...mtus[3] },
          v6: { type: 'vlan', id: 6, link: 'eth0' },
          mv: { type: 'macvlan', link: below, ...mtus[4] },
          bo: { type: 'bond', members: bonded, ...mtus[5] },
        },
      },
      b: {},
    },
    bridges: {
      br: { namespace: 'a', members: bridged, ...mtus[6], ports: { 'b:eth2': { ...mtus[7] } } },
    },
    links: [
      { ...mtus[8], endpoints: { 'a:eth0': '10.0.0.1/24', 'b:eth0': '10.0.0.2/24' } },
      { ...mtus[9], endpoints: { 'a:eth1': {}, 'b:eth1': {} } },
    ],
    tunnels: {
      vx: { type: 'vxlan', id: 1, ...mtus[10], endpoints: tunnelEnds },
      gt: { type: 'gretap', ...mtus[11], endpoints: tunnelEnds },
    },
  }));
