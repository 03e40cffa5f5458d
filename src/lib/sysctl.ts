/** `net.ipv4.conf.eth0/10.forwarding` → `net/ipv4/conf/eth0.10/forwarding` and back: sysctl(8) swaps dots and slashes. */
export function sysctlPath(name: string): string {
  return name.replace(/[./]/g, (character) => (character === '.' ? '/' : '.'));
}

/** One comparable text of what /proc/sys shows: lists of numbers are separated by tabs there. */
export function sysctlValue(text: string): string {
  return text.trim().replace(/\s+/g, ' ');
}
