import { UnavailableError } from '../lib/errors.ts';
import type { Privileges } from './privileges.ts';
import { userNamespaceSwitches } from './privileges.ts';
import type { Run } from './run.ts';

/** Says, in the environment, that a process runs in a throw-away host. */
export const SANDBOX_VARIABLE = 'TOPOWEAVE_SANDBOX';

/**
 * The first process of the throw-away host. It stays, as process 1, beside the command: process 1 ignores every signal
 * that it does not handle, so that a command in its place could not be interrupted.
 *
 * Its /etc is laid over the machine's, or, where the kernel does not do that, copied: the names of namespaces are files
 * below it.
 *
 * A container engine may cover parts of /sys; the kernel then refuses a fresh one, and the old one is good enough for
 * everything but `ip netns exec`.
 */
const setUp = `
set -e
umask 022
mount -t proc proc /proc
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run
mkdir -p /run/netns
mkdir -p -m 1777 /run/lock
case "\${XDG_RUNTIME_DIR-}" in
  /run/*) mkdir -p "$XDG_RUNTIME_DIR" ;;
esac
mkdir -p /run/.etc/upper /run/.etc/work
etc=lowerdir=/etc,upperdir=/run/.etc/upper,workdir=/run/.etc/work
if ! mount -t overlay -o "$etc" overlay /etc 2>/dev/null; then
  cp -a /etc/. /run/.etc/upper 2>/dev/null || :
  mount --bind /run/.etc/upper /etc
fi
mount -t sysfs sysfs /sys 2>/dev/null || :
ip link set lo up
set +e
"$@"
exit "$?"
`;

/**
 * The argv that runs a command in a throw-away host: its own network, mounts, processes, /run and /etc. Everything in it ends
 * with the command, and the command ends with whoever started it.
 */
export function sandboxArgv(command: readonly string[], { root }: { readonly root: boolean }): string[] {
  return [
    ...['setpriv', '--pdeathsig', 'KILL', 'unshare'],
    ...(root ? [] : ['--user', '--map-root-user']),
    ...['--net', '--mount', '--pid', '--fork', '--kill-child'],
    ...['--', 'sh', '-c', setUp, 'sandbox', ...command],
  ];
}

/**
 * Tries the throw-away host with an empty command, because its exit code could not be told from the real command's.
 *
 * @throws UnavailableError naming the sysctl that forbids it.
 */
export async function requireSandbox(
  privileges: Privileges,
  options: { run: Run; root: boolean },
): Promise<void> {
  const { code, stderr } = await options.run(sandboxArgv(['true'], { root: options.root }));
  if (code === 0) return;
  const reason = stderr.trim().split('\n')[0] ?? '';
  const off = options.root ? [] : privileges.userNamespacesOff;
  if (off.length === 0) {
    throw new UnavailableError(
      'no-sandbox',
      `this machine does not let topoweave make a throw-away host: ${reason || `exit code ${code}`}`,
      options.root
        ? 'in a container, give it CAP_SYS_ADMIN and CAP_NET_ADMIN'
        : `run it as root, or look at the sysctls ${userNamespaceSwitches.map(({ name }) => name).join(', ')}`,
    );
  }
  const names = off.map((setting) => setting.slice(0, setting.indexOf('=')));
  const mend = userNamespaceSwitches.filter(({ name }) => names.includes(name));
  throw new UnavailableError(
    'no-user-namespaces',
    `unprivileged user namespaces are switched off: ${off.join(', ')}`,
    `run it as root, or allow them with: sysctl -w ${mend.map(({ name, on }) => `${name}=${on}`).join(' ')}`,
  );
}
