import {
  IFA,
  IFLA,
  IFLA_INFO,
  NDA,
  RTA,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELNEIGH,
  RTM_DELROUTE,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWNEIGH,
  RTM_NEWROUTE,
  RTM_SETLINK,
} from './constants.ts';
import { HEADER_SIZE } from './message.ts';

interface Layout {
  /** Size of the fixed header behind the netlink header. */
  readonly header: number;
  readonly prefix: string;
  readonly names: Readonly<Record<string, number>>;
  /** What is inside of an attribute, by its number. */
  readonly inside?: Readonly<Record<number, Omit<Layout, 'header'>>>;
}

const link: Layout = {
  header: 16,
  prefix: 'IFLA_',
  names: IFLA,
  inside: { [IFLA.LINKINFO]: { prefix: 'IFLA_INFO_', names: IFLA_INFO } },
};
const address: Layout = { header: 8, prefix: 'IFA_', names: IFA };
const route: Layout = { header: 12, prefix: 'RTA_', names: RTA };
const neighbor: Layout = { header: 12, prefix: 'NDA_', names: NDA };

const layouts: Readonly<Record<number, Layout>> = {
  [RTM_NEWLINK]: link,
  [RTM_DELLINK]: link,
  [RTM_SETLINK]: link,
  [RTM_NEWADDR]: address,
  [RTM_DELADDR]: address,
  [RTM_NEWROUTE]: route,
  [RTM_DELROUTE]: route,
  [RTM_NEWNEIGH]: neighbor,
  [RTM_DELNEIGH]: neighbor,
};

/**
 * The name of the attribute at an offset of a message, as in `IFLA_LINKINFO/IFLA_INFO_DATA/5`: what the kernel says of a
 * refusal (NLMSGERR_ATTR_OFFS). undefined where there is none.
 */
export function attributePath(message: Buffer, offset: number): string | undefined {
  const layout = layouts[message.readUInt16LE(4)];
  if (layout === undefined) return undefined;
  const path: string[] = [];
  let [at, end] = [HEADER_SIZE + layout.header, message.length];
  let names: Omit<Layout, 'header'> | undefined = layout;
  while (at + 4 <= end) {
    const length = message.readUInt16LE(at);
    if (length < 4) return undefined;
    if (offset >= at + ((length + 3) & ~3)) {
      at += (length + 3) & ~3;
      continue;
    }
    const type = message.readUInt16LE(at + 2) & 0x3fff;
    path.push(nameIn(names, type));
    if (offset === at) return path.join('/');
    names = names?.inside?.[type];
    end = at + length;
    at += 4;
  }
  return undefined;
}

function nameIn(layout: Omit<Layout, 'header'> | undefined, type: number): string {
  const name = Object.entries(layout?.names ?? {}).find(([, number]) => number === type)?.[0];
  return name === undefined ? String(type) : `${layout?.prefix ?? ''}${name}`;
}
