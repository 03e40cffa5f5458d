import { type ChildProcess, spawn } from 'node:child_process';
import type { LiveService } from '../../observe/live.ts';
import { HOST, type Service } from '../../topology/model.ts';
import type { Account } from '../accounts.ts';
import { withHostname } from '../hostname.ts';
import { countProcesses, searchPath } from '../run.ts';
import { filesForChild } from './inherited-files.ts';

/** In the environment of a service and of all that it starts: which start it was. */
export const TOKEN = 'TOPOWEAVE_START';
/** Only in the program's own environment: until it is there, the programs before it are under way. */
export const ARRIVED = 'TOPOWEAVE_SERVICE';

/** The first program of a service, or of its ready command. The program and its arguments come as words of their own. */
const opening = `umask 022
exec "$@"`;

export interface ServiceStart {
  readonly lab: string;
  readonly namespace: string;
  readonly service: Service;
  readonly hostname: string;
  readonly attributes: LiveService['attributes'];
}

export interface Launch {
  readonly account: Account;
  readonly folder: string;
  readonly token: string;
}

export function launch(start: ServiceStart, { fd, ...how }: Launch & { readonly fd: number }): ChildProcess {
  const [program = '', ...args] = argvOf(start, start.service.command, how);
  countProcesses(1);
  return filesForChild((others) =>
    spawn(program, args, {
      env: { PATH: searchPath(), LC_ALL: 'C', [TOKEN]: how.token },
      cwd: '/',
      stdio: ['ignore', fd, fd, ...others],
      detached: true,
    }),
  );
}

/** `ip netns exec` brings the namespace with its own /sys and /etc; each of these programs becomes the next one. */
export function argvOf(
  { lab, namespace, service, hostname }: ServiceStart,
  command: readonly string[],
  { account, folder, token }: Launch,
): string[] {
  const own = (text: string) => text.replaceAll('{folder}', folder);
  const environment = {
    PATH: searchPath(),
    HOME: account.home,
    USER: account.name,
    TOPOWEAVE_NAMESPACE: namespace,
    ...Object.fromEntries(Object.entries(service.environment).map(([name, text]) => [name, own(text)])),
    [TOKEN]: token,
    [ARRIVED]: `${lab}/${namespace}/${service.name}`,
  };
  return [
    ...['/bin/sh', '-c', opening, 'topoweave'],
    ...(hostname === '' ? [] : withHostname(hostname)),
    ...(namespace === HOST ? [] : ['ip', 'netns', 'exec', namespace]),
    ...privileges(account, service.capabilities),
    ...['env', '-i', `--chdir=${service.directory ?? folder}`, '--'],
    ...Object.entries(environment).map(([name, text]) => `${name}=${text}`),
    ...command.map(own),
  ];
}

/** Another user has no rights of root but those that are named; root has only those, when some are. */
function privileges({ uid, gid }: Account, capabilities: readonly string[] | undefined): string[] {
  const words = [
    ...(uid === 0 ? [] : [`--reuid=${uid}`, `--regid=${gid}`, '--init-groups']),
    ...(capabilities === undefined
      ? []
      : ['inh-caps', 'ambient-caps', 'bounding-set'].map(
          (set) => `--${set}=${['-all', ...capabilities.map((name) => `+${name}`)].join(',')}`,
        )),
  ];
  return words.length === 0 ? [] : ['setpriv', ...words, '--'];
}
