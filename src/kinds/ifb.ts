import { defineDeviceKind } from './device.ts';

/** What received packets are redirected to, so that they can wait in a queue; see redirect.ts. */
export const ifbKind = defineDeviceKind('ifb', {
  changes: {},
  words: () => [],
  read: () => ({}),
  needs: { module: 'ifb', words: [] },
});
