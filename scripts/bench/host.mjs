// The throw-away host: the whole benchmark runs in namespaces of its own, so this machine's network is never touched.
import { spawnSync } from 'node:child_process';

const MARK = 'TOPOWEAVE_BENCH_INSIDE';
const setUp = 'mount -t tmpfs tmpfs /run && mkdir -p /run/netns && ip link set lo up && exec "$@"';

export function isInside() {
  return process.env[MARK] !== undefined;
}

/** Runs this same command again inside; its exit code. */
export function runInside() {
  // A machine's certificates would make each start of node slower, in some shells and not in others.
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const user = process.getuid() === 0 ? [] : ['--user', '--map-root-user'];
  const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const command = ['sh', '-c', setUp, 'sh', process.execPath, ...process.argv.slice(1)];
  const { status } = spawnSync('unshare', [...user, ...namespaces, ...command], {
    stdio: 'inherit',
    env: { ...env, [MARK]: '1' },
  });
  return status ?? 1;
}
