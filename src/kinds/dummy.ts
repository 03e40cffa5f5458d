import { defineDeviceKind } from './device.ts';

export const dummyKind = defineDeviceKind('dummy', {
  changes: {},
  words: () => [],
  read: () => ({}),
  needs: { module: 'dummy', words: [] },
});
