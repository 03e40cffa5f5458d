import { isUnmarkedHostAddress } from '../kinds/address.ts';
import { wantedSysctls } from '../kinds/sysctl.ts';
import type { Plan } from '../plan/step.ts';
import { noteDamage, putAside } from '../system/damage.ts';
import { removeEtcFolders } from '../system/etc-claims.ts';
import { clearLeftovers } from '../system/leftovers.ts';
import {
  inspectRecord,
  type LabRecord,
  type RecordDamage,
  recordFolder,
  recordPath,
  writeRecord,
} from '../system/record.ts';
import { lostWords } from '../system/record-shape.ts';
import { HOST, type Topology } from '../topology/model.ts';

/** What a killed run, or somebody else, did to our own files is mended before anything is changed. The lock is held. */
export function tidyUp(lab: string, topology: Topology | undefined): void {
  clearLeftovers();
  repairRecord(lab, topology);
}

/**
 * Puts a damaged record aside and writes one with what is left of it, which remembers what is lost. The lock is held.
 *
 * @throws TopoweaveError where the record is of a newer topoweave or cannot be read: nothing is changed then.
 */
function repairRecord(lab: string, topology: Topology | undefined): void {
  const { record, problem, lost } = inspectRecord(lab);
  removeEtcFolders(record.etc ?? []);
  if (problem === undefined) return;
  recordFolder();
  const path = recordPath(lab);
  const kept = putAside(path, { stays: true });
  const damage = damageOf(record, topology, { kept, lost });
  const { damage: _damage, ...rest } = record;
  writeRecord(damage === undefined ? rest : { ...rest, damage });
  noteDamage({ path, problem, kept, lost: lostWords(lost) });
}

/** Fields without which something of the machine stays as the lab made it. */
const needed: ReadonlySet<string> = new Set(['sysctls', 'hostObjects', 'adopted']);

/** What nobody knows any more; undefined where that is nothing that the machine would miss. */
function damageOf(
  record: LabRecord,
  topology: Topology | undefined,
  { kept, lost }: { readonly kept: string; readonly lost: readonly string[] },
): RecordDamage | undefined {
  const { damage: earlier, wants } = record;
  const missing = lost.filter((name) => needed.has(name) && mayMiss(name, topology));
  const all = [...new Set([...(earlier?.lost ?? []), ...missing])];
  const known = Object.keys(record.sysctls[HOST] ?? {});
  const wanted = [...Object.keys(wants ?? {}), ...((topology && wantedSysctls(topology).get(HOST)) ?? [])];
  const unknown = missing.includes('sysctls') ? wanted.filter((name) => !known.includes(name)) : [];
  const sysctls = [...new Set([...(earlier?.sysctls ?? []), ...unknown])].sort();
  return all.length === 0 ? undefined : { kept, lost: all, sysctls };
}

/** The file says which of it there can be. */
function mayMiss(field: string, topology: Topology | undefined): boolean {
  if (topology === undefined) return true;
  if (field === 'adopted') return topology.interfaces.some(({ kind }) => kind === 'adopted');
  if (field === 'sysctls') return (wantedSysctls(topology).get(HOST)?.length ?? 0) > 0;
  return (
    topology.namespaces.some(({ name }) => name === HOST) ||
    topology.interfaces.some(({ namespace }) => namespace === HOST)
  );
}

/** After an apply the file says what the lab has on the host, and marks have told the rest: only what has none stays unknown. */
export function afterApply({ damage }: LabRecord, { desired }: Plan): Pick<LabRecord, 'damage'> {
  if (damage === undefined) return {};
  const hasUnmarked = desired.some(
    (resource) => isUnmarkedHostAddress(resource) || resource.kind === 'docker-user',
  );
  const lost = damage.lost.filter((name) => name !== 'hostObjects' || hasUnmarked);
  return lost.length === 0 ? {} : { damage: { ...damage, lost } };
}

/** What a lab that is gone could not give back, because its record was damaged: whole sentences. */
export function notGivenBack({ damage, wants }: LabRecord): string[] {
  if (damage === undefined) return [];
  const { lost, sysctls, kept } = damage;
  const sentences: string[] = [];
  if (sysctls.length > 0)
    sentences.push(
      `the values of ${sysctls.join(', ')} from before the lab are not known: they stay as they are`,
    );
  else if (lost.includes('sysctls') && wants === undefined)
    sentences.push('which sysctls of the machine the lab had changed is not known: they stay as they are');
  if (lost.includes('hostObjects'))
    sentences.push(
      "addresses that it had added to the host's own interfaces are not known: where it had some, they stay",
    );
  if (lost.includes('adopted'))
    sentences.push('interfaces of the host that the lab had adopted are not known: they stay as they are');
  return sentences.length === 0 ? [] : [...sentences, `what is left of the record is in ${kept}`];
}
