import { exitCodes } from '../lib/exit-codes.ts';
import type { CommandSpec, OptionSpec } from './command.ts';

const file = { name: '[file]', description: 'the topology file; - is standard input' };
const several: readonly OptionSpec[] = [
  {
    flags: '-f, --file <file>',
    description: 'a file to lay over the one before; again for more: later ones win',
    repeatable: true,
  },
  {
    flags: '--set <name=value>',
    description: 'the value of a variable of the file; again for more',
    repeatable: true,
  },
];
const json = { flags: '--json', description: 'print one JSON document on stdout' };
const detailed = {
  flags: '--detailed-exitcode',
  description: 'exit with 2 when there are differences, 0 when there are none',
};
const engine = {
  flags: '--engine <name>',
  description: 'how to talk to the kernel: auto (default), netlink or ip; also TOPOWEAVE_ENGINE',
  choices: ['auto', 'netlink', 'ip'],
};
const invalid = { code: exitCodes.invalidFile, means: 'the file is not valid' };
const unavailable = {
  code: exitCodes.unavailable,
  means: 'the machine lacks a privilege, a tool or a kernel feature',
};

/** Every command of topoweave. */
export const commands: readonly CommandSpec[] = [
  {
    name: 'validate',
    summary: 'check files, without root and without touching the system',
    description:
      'Reports every problem of every file in one run, each with its place and the way to mend it.',
    arguments: [{ name: '[file...]', description: 'topology files; - is standard input' }],
    options: [json, ...several],
    examples: [
      { command: 'topoweave validate office.yaml', explains: 'check one file' },
      { command: 'topoweave validate --json topologies/*.yaml', explains: 'for an editor or CI' },
      {
        command: 'topoweave validate -f base.yaml -f site.yaml',
        explains: 'two files as one; shows each value that the second one changes',
      },
    ],
    exitCodes: [{ code: 0, means: 'no errors; there may be warnings' }, invalid],
    load: async () => (await import('./commands/validate.ts')).run,
  },
  {
    name: 'render',
    summary: 'print the long form of a file, with every default and every derived value',
    arguments: [file],
    options: [json, ...several],
    examples: [
      { command: 'topoweave render office.yaml', explains: 'see what the short forms stand for' },
      {
        command: 'topoweave render big-lan.yaml --set hosts=200',
        explains: 'with templates, ranges and variables written out',
      },
    ],
    exitCodes: [invalid],
    load: async () => (await import('./commands/render.ts')).run,
  },
  {
    name: 'plan',
    summary: 'show what apply would do; changes nothing',
    arguments: [file],
    options: [
      json,
      detailed,
      ...several,
      { flags: '-v, --verbose', description: 'show each value that a later file changes' },
      { flags: '--diff', description: 'show a text diff of the live state and the file instead' },
      { flags: '--commands', description: 'show the shell commands that would do it instead' },
      { flags: '--destroy', description: 'plan the removal of the lab instead' },
      engine,
    ],
    examples: [
      { command: 'topoweave plan office.yaml', explains: 'what would change' },
      { command: 'topoweave plan --detailed-exitcode office.yaml', explains: 'in CI: exits with 2 on drift' },
      { command: 'topoweave plan --commands office.yaml', explains: 'as ip, nft and sysctl commands' },
    ],
    exitCodes: [
      { code: exitCodes.differences, means: 'differences, with --detailed-exitcode' },
      invalid,
      unavailable,
    ],
    load: async () => (await import('./commands/kernel.ts')).plan,
  },
  {
    name: 'apply',
    summary: 'make the system as the file says; only what is missing is done',
    description:
      'Compares the file with the live kernel, executes the missing steps, removes what the lab owns and the file no longer has, and observes the kernel again: it must match.',
    arguments: [file],
    options: [json, ...several, { flags: '--dry-run', description: 'show the plan and stop' }, engine],
    examples: [
      { command: 'topoweave apply office.yaml', explains: 'create or update the lab' },
      { command: 'topoweave apply --dry-run office.yaml', explains: 'the same as plan' },
      { command: 'topoweave apply -f base.yaml -f site.yaml', explains: 'two files as one lab' },
      { command: 'topoweave apply big-lan.yaml --set hosts=200', explains: 'a variable of the file' },
    ],
    exitCodes: [
      {
        code: exitCodes.failed,
        means: 'a step failed, a name is taken, or a process keeps a removed namespace alive',
      },
      invalid,
      unavailable,
    ],
    load: async () => (await import('./commands/kernel.ts')).apply,
  },
  {
    name: 'status',
    summary: 'list the labs of this machine, or show the drift of one',
    arguments: [
      { name: '[file|name]', description: 'a topology file, or the name of a lab that was applied' },
    ],
    options: [json, detailed, ...several, engine],
    examples: [
      { command: 'topoweave status', explains: 'every lab' },
      { command: 'topoweave status office.yaml', explains: 'what is missing and what is too much' },
    ],
    exitCodes: [
      { code: exitCodes.differences, means: 'drift, with --detailed-exitcode' },
      invalid,
      unavailable,
    ],
    load: async () => (await import('./commands/kernel.ts')).status,
  },
  {
    name: 'impair',
    summary:
      'delay, lose or slow down the packets of a live link, for an experiment; or list what is impaired',
    description:
      'Changes a link of a lab at once, without its file: status and plan show the difference, and the next apply undoes it. What is given replaces what was there. A link is its number in the list, or both of its ends, or one end: then only what that end sends is impaired. The settings are those of the file, such as delay, jitter, loss, rate; a loss model is written as loss=gemodel:1%,10%,70%,0.1%.',
    arguments: [
      { name: '[link]', description: 'NUMBER, NS:IF--NS:IF or NS:IF; without it, all links are listed' },
      { name: '[settings...]', description: 'KEY=VALUE, such as delay=50ms or loss=1%' },
    ],
    options: [
      { flags: '--both', description: 'both directions of the cable, where one end is given' },
      { flags: '--clear', description: 'end the impairments of the link' },
      { flags: '--lab <name>', description: 'only links of this lab' },
      { flags: '--dry-run', description: 'show the plan and stop' },
      json,
      engine,
    ],
    examples: [
      { command: 'topoweave impair', explains: 'the links of every lab, and what happens to their packets' },
      {
        command: 'topoweave impair gw:wan--isp:eth0 delay=50ms jitter=5ms loss=1%',
        explains: 'in both directions',
      },
      { command: 'topoweave impair gw:wan rate=10mbit', explains: 'only what gw sends' },
      { command: 'topoweave impair 3 --clear', explains: 'the third link of the list is as fast as ever' },
      { command: 'topoweave apply office.yaml', explains: 'everything is as the file says again' },
    ],
    exitCodes: [
      { code: exitCodes.failed, means: 'no such link, or it belongs to no lab' },
      { code: exitCodes.usage, means: 'a setting is wrong' },
      unavailable,
    ],
    load: async () => (await import('./commands/kernel.ts')).impair,
  },
  {
    name: 'inspect',
    summary:
      'show what is there: namespaces, interfaces, peers, bridge ports, addresses, routes, NAT, services',
    arguments: [{ name: '[file|name]', description: 'a lab; without it, everything on this machine' }],
    options: [json, ...several, engine],
    examples: [
      { command: 'topoweave inspect', explains: 'the whole machine, foreign things included' },
      { command: 'topoweave inspect office', explains: 'one lab' },
    ],
    exitCodes: [unavailable],
    load: async () => (await import('./commands/kernel.ts')).inspect,
  },
  {
    name: 'ports',
    summary: 'list the published ports of a lab and where they lead, as docker port does',
    description:
      'A namespace is the one that publishes or the one that the port leads to; the port is the one that it leads to. With a port, only the addresses are printed, for scripts. What is listed is what the kernel has, with the numbers that were chosen.',
    arguments: [
      { name: '[lab|file]', description: 'the name of a lab, or its file; without it, every lab' },
      { name: '[namespace]', description: 'only what this namespace publishes, or what leads to it' },
      { name: '[port]', description: 'PORT or PORT/PROTOCOL that it leads to; tcp when not given' },
    ],
    options: [json, engine],
    examples: [
      { command: 'topoweave ports', explains: 'of every lab' },
      { command: 'topoweave ports office', explains: 'of one lab' },
      { command: 'topoweave ports office web', explains: 'what leads to web' },
      { command: 'topoweave ports office web 80/tcp', explains: 'prints 0.0.0.0:8080' },
    ],
    exitCodes: [{ code: exitCodes.failed, means: 'no such lab, namespace or port' }, unavailable],
    load: async () => (await import('./commands/kernel.ts')).ports,
  },
  {
    name: 'check',
    summary: "run the file's checks: ping, tcp, udp; reachable or unreachable",
    arguments: [file],
    options: [json, ...several],
    examples: [{ command: 'topoweave check office.yaml', explains: 'prove that the lab works' }],
    exitCodes: [{ code: exitCodes.failed, means: 'a check failed' }, invalid, unavailable],
    load: async () => (await import('./commands/check.ts')).run,
  },
  {
    name: 'exec',
    summary: 'run a command in a namespace',
    arguments: [{ name: '<namespace>', description: 'a namespace of a lab, or host' }],
    options: [{ flags: '--lab <name>', description: 'only if the namespace belongs to this lab' }],
    passThrough: true,
    examples: [
      { command: 'topoweave exec alice -- ping -c 1 192.0.2.1', explains: 'any command' },
      { command: 'topoweave exec gw -- ip -s link', explains: 'iproute2 sees the namespace as its own' },
    ],
    exitCodes: [{ code: 0, means: "the command's own exit code is passed on" }, unavailable],
    load: async () => (await import('./commands/exec.ts')).runExec,
  },
  {
    name: 'shell',
    summary: 'start a shell in a namespace',
    arguments: [{ name: '<namespace>', description: 'a namespace of a lab, or host' }],
    options: [{ flags: '--lab <name>', description: 'only if the namespace belongs to this lab' }],
    examples: [{ command: 'topoweave shell alice', explains: 'leave it with exit' }],
    exitCodes: [unavailable],
    load: async () => (await import('./commands/exec.ts')).runShell,
  },
  {
    name: 'logs',
    summary: 'show what a service has printed',
    arguments: [
      {
        name: '[service]',
        description:
          'NAMESPACE/SERVICE, or SERVICE where only one namespace has it; without it, all are listed',
      },
    ],
    options: [
      { flags: '--lab <name>', description: 'only services of this lab' },
      { flags: '-f, --follow', description: 'go on with what it prints from now on; Ctrl-C ends that' },
      { flags: '-n, --lines <number>', description: 'only the last lines, all without this' },
      { flags: '--previous', description: 'of the start before' },
      json,
    ],
    examples: [
      { command: 'topoweave logs', explains: 'all services, and their logs' },
      { command: 'topoweave logs httpd -n 20', explains: 'the last 20 lines' },
      { command: 'topoweave logs -f r1/ospfd', explains: 'go on with what it prints' },
    ],
    exitCodes: [{ code: exitCodes.failed, means: 'there is no such service, or no log' }, unavailable],
    load: async () => (await import('./commands/logs.ts')).run,
  },
  {
    name: 'destroy',
    summary: 'remove everything that a lab owns, also when its file is gone',
    arguments: [{ name: '[file|name]', description: 'a topology file or the name of a lab' }],
    options: [
      json,
      ...several,
      { flags: '--all', description: 'every lab of topoweave on this machine' },
      { flags: '--kill', description: 'end processes that stay in a removed namespace and keep it alive' },
      { flags: '--dry-run', description: 'show the plan and stop' },
      engine,
    ],
    examples: [
      { command: 'topoweave destroy office.yaml', explains: 'by file' },
      { command: 'topoweave destroy office', explains: 'by name: the file is not needed' },
      { command: 'topoweave destroy --all', explains: 'every lab' },
      { command: 'topoweave destroy --kill office', explains: 'with whatever still runs in it' },
    ],
    exitCodes: [
      { code: exitCodes.failed, means: 'a step failed, or a process keeps a removed namespace alive' },
      unavailable,
    ],
    load: async () => (await import('./commands/kernel.ts')).destroy,
  },
  {
    name: 'sandbox',
    summary: 'start a command or a shell in a throw-away host, without root',
    description:
      'A user, network, mount and process namespace with its own /run. Everything works in it; nothing of it reaches this machine, and all of it is gone when the command ends.',
    passThrough: true,
    examples: [
      { command: 'topoweave sandbox', explains: 'a shell' },
      { command: 'topoweave sandbox -- topoweave apply office.yaml', explains: 'one command' },
    ],
    exitCodes: [{ code: 0, means: "the command's own exit code is passed on" }, unavailable],
    load: async () => (await import('./commands/sandbox.ts')).run,
  },
  {
    name: 'generate',
    summary: 'print the topology file of a standard shape, with addresses, routes and checks',
    description:
      'Shapes: linear, star, ring, mesh (--nodes); tree (--depth, --fanout); grid, torus (--rows, --columns); fat-tree (--k); leaf-spine (--leaves, --spines, --hosts). Nodes are namespaces that route by shortest paths, and everyone reaches everyone. With --switched, linear, star and tree are bridges with hosts in one subnet, as in Mininet. At most 4,096 nodes.',
    arguments: [
      {
        name: '<shape>',
        description: 'linear, star, ring, tree, grid, torus, fat-tree, leaf-spine or mesh',
      },
    ],
    options: [
      { flags: '--nodes <number>', description: 'routers, of a star hosts; default 4' },
      { flags: '--depth <number>', description: 'levels of routers above the hosts; default 2' },
      { flags: '--fanout <number>', description: 'what is below each router; default 2' },
      { flags: '--rows <number>', description: 'default 3' },
      { flags: '--columns <number>', description: 'default 3' },
      { flags: '--k <number>', description: 'ports of each router, an even number; default 4' },
      { flags: '--leaves <number>', description: 'default 4' },
      { flags: '--spines <number>', description: 'default 2' },
      { flags: '--hosts <number>', description: 'hosts at each leaf; default 2' },
      { flags: '--switched', description: 'bridges and one subnet instead of routers' },
      { flags: '--name <name>', description: "the lab's name; the shape when left out" },
      { flags: '-o, --output <file>', description: 'write to a file instead of stdout' },
      { flags: '--force', description: 'write over a file that is there' },
    ],
    examples: [
      {
        command: 'topoweave generate ring --nodes 5 -o ring.yaml',
        explains: 'then: topoweave apply ring.yaml',
      },
      { command: 'topoweave generate fat-tree --k 4', explains: '36 namespaces, several paths between them' },
      {
        command: 'topoweave generate tree --depth 3 --fanout 3 --switched',
        explains: '13 bridges, 27 hosts',
      },
      {
        command: 'topoweave generate mesh --nodes 6 | topoweave validate -',
        explains: 'straight into another command',
      },
    ],
    exitCodes: [{ code: exitCodes.failed, means: 'the file is there already, or cannot be written' }],
    load: async () => (await import('./commands/generate.ts')).run,
  },
  {
    name: 'explain',
    summary:
      'show the way of a packet through a lab: interfaces, routes, rules that match, NAT, and where it is lost',
    description:
      'Sends one packet from the namespace and lets the kernel tell what happens to it, in each namespace on its way. For that it puts a table of its own, topoweave_explain, into those namespaces and takes it away again. The packet stays in the namespaces of the lab: where the routes lead out of it, nothing is sent, and the way is what the routes say.',
    arguments: [
      { name: '<from>', description: 'the namespace that sends' },
      {
        name: '<to>',
        description:
          'an address, a namespace or a name that it knows, with a port where it is not a ping: 10.0.0.3, web:80, 10.0.0.3:53/udp, [2001:db8::3]:80',
      },
    ],
    options: [{ flags: '--lab <name>', description: 'the lab, where the namespace is host' }, json, engine],
    examples: [
      { command: 'topoweave explain alice web', explains: 'the way of a ping' },
      {
        command: 'topoweave explain isp 192.0.2.2:8080',
        explains: 'which rules let it through, and where NAT leads it',
      },
      { command: 'topoweave explain guest 10.0.1.3:53/udp --json', explains: 'for a program' },
    ],
    exitCodes: [{ code: exitCodes.failed, means: 'there was no answer' }, unavailable],
    load: async () => (await import('./commands/explain.ts')).run,
  },
  {
    name: 'doctor',
    summary: 'show which tools, privileges and kernel features this machine has, and what brings the others',
    options: [json],
    examples: [{ command: 'topoweave doctor', explains: 'before the first apply' }],
    exitCodes: [unavailable],
    load: async () => (await import('./commands/doctor.ts')).run,
  },
  {
    name: 'completion',
    summary: 'print the completion script for a shell',
    arguments: [{ name: '<shell>', description: 'bash, zsh or fish' }],
    examples: [
      { command: 'source <(topoweave completion bash)', explains: 'for this shell' },
      {
        command: 'topoweave completion fish > ~/.config/fish/completions/topoweave.fish',
        explains: 'for good',
      },
    ],
    load: async () => (await import('./commands/completion.ts')).run,
  },
];
