/** The commands that read or change the kernel, as one: what they share is nearly all, and one file loads faster. */
export { run as apply } from './apply.ts';
export { run as destroy } from './destroy.ts';
export { run as impair } from './impair.ts';
export { run as inspect } from './inspect.ts';
export { run as plan } from './plan.ts';
export { run as ports } from './ports.ts';
export { run as status } from './status.ts';
