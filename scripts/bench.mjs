// npm run bench: a chain of N routers, created, planned again, changed by one address, destroyed; each against the best
// hand-written `ip -batch` script for the same lab. Everything runs in throw-away hosts; prints one Markdown table.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const sizes = (process.env.BENCH_SIZES ?? '10,100,500').split(',').map(Number);
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const cli = resolve('dist/topoweave.js');

if (process.env.TOPOWEAVE_BENCH_INSIDE === undefined) {
  // The whole benchmark in a host of its own: this machine's network is never touched.
  const inside = 'mount -t tmpfs tmpfs /run && mkdir -p /run/netns && ip link set lo up && exec "$@"';
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const user = process.getuid() === 0 ? [] : ['--user', '--map-root-user'];
  const argv = [
    ...user,
    '--net',
    '--mount',
    '--pid',
    '--fork',
    '--mount-proc',
    'sh',
    '-c',
    inside,
    'sh',
    process.execPath,
    ...process.argv.slice(1),
  ];
  const { status } = spawnSync('unshare', argv, {
    stdio: 'inherit',
    env: { ...env, TOPOWEAVE_BENCH_INSIDE: '1' },
  });
  process.exit(status ?? 1);
}

const folder = mkdtempSync(join(tmpdir(), 'topoweave-bench-'));
try {
  const rows = [];
  for (const size of sizes) rows.push(...measure(size));
  rows.push(...measureStart());
  process.stdout.write(table(rows));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function measure(size) {
  const file = join(folder, `chain-${size}.yaml`);
  const changed = join(folder, `chain-${size}-changed.yaml`);
  writeFileSync(file, chain(size));
  writeFileSync(
    changed,
    chain(size).replace('r0:right: 10.0.0.1/30', 'r0:right: [10.0.0.1/30, 192.0.2.1/32]'),
  );
  const script = handWritten(size);
  const samples = { create: [], plan: [], change: [], destroy: [], scriptCreate: [], scriptDestroy: [] };
  const processes = {};
  for (let round = 0; round < rounds; round += 1) {
    samples.scriptCreate.push(time(() => execFileSync('sh', [script.create])));
    samples.scriptDestroy.push(time(() => execFileSync('sh', [script.destroy])));
    settle();
    samples.create.push(time(() => topoweave(processes, 'create', 'apply', file)));
    samples.plan.push(time(() => topoweave(processes, 'plan', 'plan', '--detailed-exitcode', file)));
    samples.change.push(time(() => topoweave(processes, 'change', 'apply', changed)));
    samples.destroy.push(time(() => topoweave(processes, 'destroy', 'destroy', file)));
    settle();
  }
  const row = (what, key, baseline) => ({
    size,
    what,
    ...summary(samples[key]),
    processes: processes[key],
    ratio: baseline && ratio(samples[key], samples[baseline]),
  });
  return [
    { size, what: 'hand-written create', ...summary(samples.scriptCreate), processes: script.processes },
    row('create', 'create', 'scriptCreate'),
    row('second plan', 'plan', 'scriptCreate'),
    row('one address', 'change', 'scriptCreate'),
    { size, what: 'hand-written destroy', ...summary(samples.scriptDestroy), processes: 2 },
    row('destroy', 'destroy', 'scriptDestroy'),
  ];
}

/** Start-up, as a ratio to an empty node process. */
function measureStart() {
  const file = resolve('topologies/office.yaml');
  const empty = join(folder, 'empty.mjs');
  writeFileSync(empty, '');
  const [base, version, validate] = [[], [], []];
  for (let round = 0; round < rounds * 3; round += 1) {
    base.push(time(() => execFileSync(process.execPath, [empty])));
    version.push(time(() => execFileSync(process.execPath, [cli, '--version'])));
    validate.push(time(() => execFileSync(process.execPath, [cli, 'validate', file])));
  }
  return [
    { size: '', what: 'an empty node process', ...summary(base), processes: 1 },
    { size: '', what: '--version', ...summary(version), processes: 1, ratio: ratio(version, base) },
    {
      size: '',
      what: 'validate (office.yaml)',
      ...summary(validate),
      processes: 1,
      ratio: ratio(validate, base),
    },
  ];
}

function topoweave(processes, key, ...args) {
  const { status, stderr } = spawnSync(process.execPath, [cli, ...args], {
    env: { ...process.env, TOPOWEAVE_COUNT: '1', CI: '1' },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`topoweave ${args.join(' ')}: ${status}\n${stderr}`);
  processes[key] = Number(/^processes started: (\d+)$/m.exec(stderr)?.[1]);
}

/** The kernel takes namespaces apart in the background: wait until it has, so that no run pays for another. */
function settle() {
  execFileSync('sleep', ['1']);
}

function time(work) {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

function summary(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** The median of the ratios, pair by pair, so that a drift of the machine's speed counts for both. */
function ratio(values, base) {
  return median(values.map((value, index) => value / base[index]));
}

function table(rows) {
  const lines = [
    `Chain of N routers; ${availableParallelism()} cores, node ${process.version}, medians of ${rounds} alternating rounds.`,
    '',
    '| N | what | median s | min | max | processes | ratio |',
    '|---|---|---|---|---|---|---|',
    ...rows.map(
      ({ size, what, median: value, min, max, processes, ratio: r }) =>
        `| ${size} | ${what} | ${value.toFixed(3)} | ${min.toFixed(3)} | ${max.toFixed(3)} | ${processes} | ${r === undefined ? '' : r.toFixed(2)} |`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

function address(index, host) {
  return `10.${(index >> 14) & 255}.${(index >> 6) & 255}.${(index & 63) * 4 + host}`;
}

function chain(size) {
  const lines = [`name: chain${size}`, 'namespaces:'];
  for (let i = 0; i < size; i += 1) {
    const via = i === 0 ? address(0, 2) : address(i - 1, 1);
    lines.push(`  r${i}: { forwarding: true, routes: { default: ${via} } }`);
  }
  lines.push('links:');
  for (let i = 0; i + 1 < size; i += 1) {
    lines.push(`  - endpoints: { r${i}:right: ${address(i, 1)}/30, r${i + 1}:left: ${address(i, 2)}/30 }`);
  }
  return `${lines.join('\n')}\n`;
}

/** One batch for the namespaces and links, then one batch per namespace, two at a time. */
function handWritten(size) {
  const outer = [];
  for (let i = 0; i < size; i += 1) outer.push(`netns add r${i}`);
  for (let i = 0; i + 1 < size; i += 1)
    outer.push(`link add right netns r${i} type veth peer name left netns r${i + 1}`);
  writeFileSync(join(folder, `outer-${size}`), `${outer.join('\n')}\n`);
  const jobs = [];
  for (let i = 0; i < size; i += 1) {
    const lines = ['link set lo up'];
    if (i > 0) lines.push('link set left up', `address add ${address(i - 1, 2)}/30 dev left`);
    if (i + 1 < size) lines.push('link set right up', `address add ${address(i, 1)}/30 dev right`);
    lines.push(`route add default via ${i === 0 ? address(0, 2) : address(i - 1, 1)}`);
    const batch = join(folder, `batch-${size}-${i}`);
    writeFileSync(batch, `${lines.join('\n')}\n`);
    jobs.push(
      `nsenter --net=/run/netns/r${i} -- sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding; exec ip -batch ${batch}'`,
    );
  }
  const half = Math.ceil(jobs.length / 2);
  const create = join(folder, `create-${size}.sh`);
  writeFileSync(
    create,
    `set -e\nip -batch ${join(folder, `outer-${size}`)}\n{\n${jobs.slice(0, half).join('\n')}\n} &\n{\n${jobs.slice(half).join('\n')}\n} &\nwait\n`,
  );
  const destroy = join(folder, `destroy-${size}.sh`);
  writeFileSync(
    join(folder, `del-${size}`),
    `${outer
      .filter((line) => line.startsWith('netns'))
      .map((line) => line.replace('add', 'del'))
      .join('\n')}\n`,
  );
  writeFileSync(destroy, `ip -batch ${join(folder, `del-${size}`)}\n`);
  return { create, destroy, processes: size + 4 };
}
