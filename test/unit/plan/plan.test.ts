import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { IpLink, Live, LiveNamespace } from '../../../src/observe/live.ts';
import { makePlan } from '../../../src/plan/plan.ts';
import { formatCommands } from '../../../src/report/commands.ts';
import { formatPlan } from '../../../src/report/plan.ts';
import { painter } from '../../../src/report/style.ts';
import { emptyRecord } from '../../../src/system/record.ts';
import { emptyHost, officeLive, topologyOf } from '../../support/fixture.ts';

const office = await topologyOf('topologies/office.yaml');
const record = emptyRecord('office');

function planOf(live: Live, wanted: 'applied' | 'destroyed' = 'applied') {
  return makePlan({ lab: 'office', topology: wanted === 'applied' ? office : undefined, live, record });
}

/** The same documents, with one namespace changed. */
function change(live: Live, name: string, edit: (namespace: LiveNamespace) => LiveNamespace): Live {
  const namespaces = new Map(live.namespaces);
  const found = namespaces.get(name);
  if (found === undefined) throw new Error(`no namespace ${name}`);
  namespaces.set(name, edit(found));
  return { ...live, namespaces };
}

function changeLink(
  live: Live,
  name: string,
  ifname: string,
  edit: (link: IpLink) => IpLink | undefined,
): Live {
  return change(live, name, (namespace) => ({
    ...namespace,
    links: namespace.links.flatMap((link) => (link.ifname === ifname ? (edit(link) ?? []) : [link])),
  }));
}

describe('against recorded documents', () => {
  test('a lab that is as the file says needs nothing', () => {
    expect(planOf(officeLive()).steps).toEqual([]);
  });

  test('an mtu is one step, in place', () => {
    const live = changeLink(officeLive(), 'web', 'eth0', (link) => ({ ...link, mtu: 1400 }));
    const { steps, summary } = planOf(live);
    expect(steps.map(({ id }) => id)).toEqual(['update web/eth0']);
    expect(steps[0]?.changes).toEqual([{ attribute: 'mtu', before: 1400, after: 1500 }]);
    expect(summary).toEqual({ add: 0, change: 1, destroy: 0 });
  });

  test.each([
    ['alice', 'eth0', 'gw', 'alice-eth0'],
    ['gw', 'alice-eth0', 'alice', 'eth0'],
    ['gw', 'wan', 'isp', 'eth0'],
    ['isp', 'eth0', 'gw', 'wan'],
  ])('where %s/%s is another kind of link, the pair is made anew', (namespace, name, other, peer) => {
    const live = changeLink(officeLive(), namespace, name, (link) => ({
      ...link,
      linkinfo: { info_kind: 'dummy' },
    }));
    const { steps, batches } = planOf(live);
    const ids = steps.map(({ id }) => id);
    expect(ids).toContain(`replace ${namespace}/${name}`);
    expect(ids).toContain(`replace ${other}/${peer}`);
    const lines = batches.flatMap(({ commands }) =>
      commands.flatMap(({ command }) => (command.tool === 'ip' ? [command.args.join(' ')] : [])),
    );
    const making = lines.findIndex((line) => line.startsWith('link add') && line.includes(`name ${name} `));
    const removal = lines.indexOf(`link del dev ${name}`);
    expect(removal).toBeGreaterThanOrEqual(0);
    expect(making).toBeGreaterThan(removal);
  });

  test('a route of the kernel, of a router advertisement or of the user is not touched', () => {
    const live = change(officeLive(), 'web', (namespace) => ({
      ...namespace,
      routes: [
        ...namespace.routes,
        {
          type: 'unicast',
          dst: '10.77.0.0/16',
          gateway: '10.0.0.9',
          dev: 'eth0',
          table: 'main',
          protocol: 'boot',
        },
        {
          type: 'unicast',
          dst: 'default',
          gateway: 'fe80::1',
          dev: 'eth0',
          protocol: 'ra',
          metric: 1024,
          pref: 'medium',
        },
      ],
    }));
    expect(planOf(live).steps).toEqual([]);
  });

  test('addresses of DHCP, temporary and link-local ones are no drift', () => {
    const live = changeLink(officeLive(), 'web', 'eth0', (link) => ({
      ...link,
      addr_info: [
        ...(link.addr_info ?? []),
        { family: 'inet', local: '10.0.0.77', prefixlen: 24, scope: 'global', dynamic: true },
        { family: 'inet6', local: '2001:db8::77', prefixlen: 64, scope: 'global', temporary: true },
      ],
    }));
    expect(planOf(live).steps).toEqual([]);
  });

  test('a removed bridge takes its address along, and its ports have to be put back', () => {
    let live = changeLink(officeLive(), 'gw', 'lan', () => undefined);
    for (const port of ['alice-eth0', 'web-eth0']) {
      live = changeLink(live, 'gw', port, ({ master: _, ...link }) => link);
    }
    const ids = planOf(live).steps.map(({ id }) => id);
    expect(ids).toContain('create gw/lan');
    expect(ids).toContain('create gw/lan/10.0.0.1/24');
    expect(ids).toContain('update gw/alice-eth0');
    expect(ids.filter((id) => id.startsWith('replace'))).toEqual([]);
  });

  test('destroy removes the namespaces, and what is in them goes along without a command', () => {
    const { steps, batches, summary } = planOf(officeLive(), 'destroyed');
    expect(summary).toMatchObject({ add: 0, change: 0 });
    expect(steps.every(({ action }) => action === 'delete')).toBe(true);
    const commands = batches.flatMap((batch) => batch.commands.map(({ command }) => command));
    expect(
      commands.map((command) => (command.tool === 'ip' ? command.args.join(' ') : command.tool)).sort(),
    ).toEqual(['netns del alice', 'netns del gw', 'netns del isp', 'netns del web']);
  });

  test("another lab's namespace is a conflict and makes no plan complete", () => {
    const live = change(officeLive(), 'web', (namespace) => ({
      ...namespace,
      mark: { lab: 'other', tag: '', text: '' },
    }));
    const { conflicts } = planOf(live);
    expect(conflicts.some(({ message }) => message === "namespace web belongs to the lab 'other'")).toBe(
      true,
    );
  });
});

describe('the order', () => {
  const files = readdirSync('topologies').filter((name) => name.endsWith('.yaml'));

  test.each(files)('%s: a name is used only after the command that makes it', async (file) => {
    const topology = await topologyOf(`topologies/${file}`);
    const live = emptyHost();
    const { batches } = makePlan({ lab: topology.name, topology, live, record: emptyRecord(topology.name) });
    const made = new Set(['host']);
    let layer = 0;
    let next = new Set<string>();
    for (const batch of batches) {
      if (batch.layer !== layer) {
        for (const name of next) made.add(name);
        next = new Set();
        layer = batch.layer;
      }
      // Batches of one layer run side by side: what another one makes does not count yet.
      const own = new Set(made);
      expect(own.has(batch.namespace)).toBe(true);
      for (const { command } of batch.commands) {
        if (command.tool === 'ovs') {
          const [, verb = '', bridge = '', port = ''] = command.args;
          if (verb === 'add-br') own.add(`host/${bridge}`);
          // An internal port or a tunnel is made by this; any other is there already.
          if (verb === 'add-port') {
            expect(own.has(`host/${bridge}`)).toBe(true);
            own.add(`host/${port}`);
          }
        }
        if (command.tool !== 'ip') continue;
        const { args } = command;
        if (args[0] === 'netns') own.add(args[2] ?? '');
        if (args[0] === 'link' && args[1] === 'add') {
          const peer = args.includes('peer') ? args.indexOf('peer') : args.length;
          for (const end of [args.slice(0, peer), args.slice(peer)]) {
            if (!end.includes('name')) continue;
            const namespace = end.includes('netns') ? (end[end.indexOf('netns') + 1] ?? '') : batch.namespace;
            expect(own.has(namespace)).toBe(true);
            own.add(`${namespace}/${end[end.indexOf('name') + 1]}`);
          }
        }
        const dev = args[args.indexOf('dev') + 1];
        if (args[0] === 'tuntap') own.add(`${batch.namespace}/${dev}`);
        if ((args[0] === 'address' || args[1] === 'set') && dev !== 'lo')
          expect(own.has(`${batch.namespace}/${dev}`)).toBe(true);
        if (args[1] === 'set' && args[4] === 'name') own.add(`${batch.namespace}/${args[5]}`);
      }
      for (const name of own) next.add(name);
    }
  });

  test('the same input gives the same plan, byte for byte, whatever order the kernel lists things in', () => {
    const live = officeLive();
    const show = (plan: ReturnType<typeof planOf>) =>
      formatPlan(plan, () => 'f', painter(false)) + formatCommands(plan);
    const expected = show(planOf(live, 'destroyed'));
    fc.assert(
      fc.property(
        fc.shuffledSubarray([...live.namespaces], { minLength: live.namespaces.size }),
        (entries) => {
          const shuffled: Live = { ...live, namespaces: new Map(entries) };
          expect(show(planOf(shuffled, 'destroyed'))).toBe(expected);
        },
      ),
      { numRuns: 30 },
    );
  });

  test('whatever links are gone, the plan makes them again and touches no other namespace', () => {
    const links = [...officeLive().namespaces.values()].flatMap(({ name, links: list }) =>
      list.filter(({ ifname }) => ifname !== 'lo').map(({ ifname }) => [name, ifname] as const),
    );
    fc.assert(
      fc.property(fc.subarray(links, { minLength: 1 }), (gone) => {
        let live = officeLive();
        for (const [name, ifname] of gone) live = changeLink(live, name, ifname, () => undefined);
        const { steps } = planOf(live);
        const made = new Set(
          steps.filter(({ action }) => action !== 'delete').map(({ resource }) => resource),
        );
        for (const [name, ifname] of gone) expect(made.has(`${name}/${ifname}`)).toBe(true);
        expect(steps.some(({ kind }) => kind === 'namespace')).toBe(false);
      }),
      { numRuns: 100 },
    );
  });
});

test('golden: the plan and the commands of the office, from nothing', async () => {
  const plan = planOf(emptyHost());
  await expect(formatPlan(plan, ({ pointer }) => pointer, painter(false))).toMatchFileSnapshot(
    'office-plan.txt',
  );
  await expect(formatCommands(plan)).toMatchFileSnapshot('office-commands.txt');
});

describe('behind a change that touched one of four namespaces', () => {
  const touched = new Set(['web']);
  const whole = (live: Live) => makePlan({ lab: 'office', topology: office, live, record });
  const brief = (live: Live, more = record) =>
    makePlan({ lab: 'office', topology: office, live, record: more, touched });
  const withMtu = (namespace: string, name: string, mtu: number) =>
    changeLink(officeLive(), namespace, name, (link) => ({ ...link, mtu }));

  test('nothing is left to do where nothing differs, and the plan knows all that is wanted', () => {
    expect(brief(officeLive())).toEqual(whole(officeLive()));
  });

  test('a difference there leads to the whole plan', () => {
    const mtu = withMtu('web', 'eth0', 1400);
    expect(brief(mtu).steps).toHaveLength(1);
    expect(brief(mtu)).toEqual(whole(mtu));
    const gone = changeLink(officeLive(), 'web', 'eth0', () => undefined);
    expect(brief(gone).steps.length).toBeGreaterThan(1);
    expect(brief(gone)).toEqual(whole(gone));
  });

  test('what the documents of the others say was compared before', () => {
    expect(brief(withMtu('alice', 'eth0', 1400)).steps).toEqual([]);
    const fdb = { ...record, fdb: ['alice'] };
    expect(brief(withMtu('alice', 'eth0', 1400), fdb).steps).toHaveLength(1);
  });

  test('another one that is gone, and a file that is read each time, are found', () => {
    const live = officeLive();
    const namespaces = new Map([...live.namespaces].filter(([name]) => name !== 'alice'));
    expect(brief({ ...live, namespaces }).steps.length).toBeGreaterThan(0);
    const hosts = { lines: ['192.0.2.1 x'], lab: 'office', words: [] };
    const etc = new Map([['alice', new Map([['hosts' as const, hosts]])]]);
    expect(brief({ ...live, etc }).steps.map(({ action, kind }) => `${action} ${kind}`)).toEqual([
      'delete file',
    ]);
  });
});
