import type { Place } from '../../lib/diagnostic.ts';
import { addEntry, type Context, type Entry } from './context.ts';
import { nameSysctls } from './interface-sysctls.ts';
import { expandSettingsWithDhcp, type RawSettings } from './settings.ts';

interface Adopting {
  readonly namespace: string;
  readonly name: string;
  /** What the machine calls it. */
  readonly origin: string;
  readonly isBridge?: true;
  readonly base: string;
}

/** An interface that exists already: its mtu and its MAC address stay as they are, unless the file says them. */
export function addAdoptedEntry(context: Context, { base, ...adopting }: Adopting, raw: RawSettings): Entry {
  const { addresses, macaddress, mtu, state, sysctls, dhcp4 } = expandSettingsWithDhcp(
    raw,
    base,
    context.report,
  );
  const place: Place = { pointer: base, part: 'key' };
  const entry: Entry = {
    item: {
      kind: 'adopted',
      ...adopting,
      addresses,
      mtu: undefined,
      mtuPlace: undefined,
      macaddress,
      state,
      alias: undefined,
      master: undefined,
      place,
      sysctls: nameSysctls(sysctls, adopting.name),
      ...(dhcp4 === undefined ? {} : { dhcp4 }),
    },
    mtu,
  };
  addEntry(context, entry);
  return entry;
}
