import { defineDeviceKind } from './device.ts';

export const ifbKind = defineDeviceKind('ifb', {
  changes: {},
  words: () => [],
  read: () => ({}),
  needs: { module: 'ifb', words: [] },
});
