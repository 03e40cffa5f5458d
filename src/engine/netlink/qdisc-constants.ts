/** linux/pkt_sched.h, linux/pkt_cls.h, linux/tc_act/tc_mirred.h and linux/rtnetlink.h: part of the ABI. */
export const TCA = { KIND: 1, OPTIONS: 2 } as const;

export const TCA_NETEM = {
  CORR: 1,
  DELAY_DIST: 2,
  REORDER: 3,
  CORRUPT: 4,
  LOSS: 5,
  RATE: 6,
  RATE64: 8,
  LATENCY64: 10,
  JITTER64: 11,
} as const;
/** GI: four states; GE: Gilbert-Elliott. */
export const NETEM_LOSS = { GI: 1, GE: 2 } as const;

export const TBF = { PARMS: 1, RATE64: 4, BURST: 6 } as const;

/** 100 %, as a 32-bit number. */
export const FULL = 0xffffffff;

/** A tick of the packet scheduler (PSCHED_SHIFT in include/net/pkt_sched.h; /proc/net/psched shows it). */
export const NS_PER_TICK = 64;

export const U32 = { SEL: 5, ACT: 7 } as const;
export const ACT = { KIND: 1, OPTIONS: 2 } as const;
export const MIRRED_PARMS = 2;

/** TC_H_INGRESS and the handle of the ingress discipline, which is also the parent of its filters. */
export const INGRESS_PARENT = 0xfffffff1;
export const INGRESS_HANDLE = 0xffff0000;
/** The incoming side of ingress and of clsact: TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS). */
export const INGRESS_SIDE = 0xfffffff2;
export const ROOT_PARENT = 0xffffffff;
