/** Sets the name of the UTS namespace that it is in, and becomes the program that follows. */
const setName = `name=$1
shift
{ printf %s "$name" >/proc/sys/kernel/hostname; } 2>/dev/null || hostname "$name" 2>/dev/null
exec "$@"`;

/** Words in front of a command that give it, and it alone, another hostname. */
export function withHostname(hostname: string): string[] {
  return ['unshare', '--uts', '--', '/bin/sh', '-c', setName, 'topoweave', hostname];
}
