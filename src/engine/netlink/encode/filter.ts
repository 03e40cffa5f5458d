import { NLM_F_CREATE, NLM_F_EXCL, RTM_NEWTFILTER } from '../constants.ts';
import { ACT, INGRESS_HANDLE, MIRRED_PARMS, TCA, U32 } from '../qdisc-constants.ts';
import type { Encode } from './encode.ts';

/** ETH_P_ALL in network byte order. */
const ALL_PROTOCOLS = 0x0300;
/** Size of struct tc_u32_sel without keys, its flag TC_U32_TERMINAL, and one key. */
const SELECTOR_SIZE = 16;
const TERMINAL = 1;
const KEY_SIZE = 16;
const TC_ACT_STOLEN = 4;
const EGRESS_REDIRECT = 1;

const form =
  /^add dev (\S+) parent ffff: protocol all pref (\d+) u32 match u32 0 0 action mirred egress redirect dev (\S+)$/;

/** `tc filter add` (iproute2 6.1, tc/f_u32.c and tc/m_mirred.c) of a filter that sends everything to another device. */
export const encodeFilter: Encode = (words, writer, sequence, context) => {
  const [, dev, preference, target] = form.exec(words.join(' ')) ?? [];
  if (dev === undefined || target === undefined) return false;
  const [index, targetIndex] = [context.ifindex(dev), context.ifindex(target)];
  writer.begin(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, sequence);
  writer.u32(0);
  writer.u32(index);
  writer.u32(0);
  writer.u32(INGRESS_HANDLE);
  writer.u32((Number(preference) << 16) | ALL_PROTOCOLS);
  writer.attributeText(TCA.KIND, 'u32');
  writer.nest(TCA.OPTIONS, () => {
    const selector = Buffer.alloc(SELECTOR_SIZE + KEY_SIZE);
    selector[0] = TERMINAL;
    // One key, all zero: the mask leaves nothing to compare.
    selector[2] = 1;
    writer.attributeBytes(U32.SEL, selector);
    writer.nest(U32.ACT, () =>
      writer.nest(1, () => {
        writer.attributeText(ACT.KIND, 'mirred');
        writer.nest(ACT.OPTIONS, () => {
          const parameters = Buffer.alloc(28);
          parameters.writeInt32LE(TC_ACT_STOLEN, 8);
          parameters.writeInt32LE(EGRESS_REDIRECT, 20);
          parameters.writeUInt32LE(targetIndex, 24);
          writer.attributeBytes(MIRRED_PARMS, parameters);
        });
      }),
    );
  });
  writer.end();
  return true;
};
