import type { Controller, MaasApi, Vlan } from '@maas-ha/maas';
import { UserError, WaitingError } from 'juju-ts-ops';

/** What the user asks for: a VLAN, and the racks by their names. */
export interface DhcpRequest {
  /** Name or id of the fabric; absent: the only one. */
  readonly fabric?: string;
  /** The VLAN's number in the fabric; 0 is untagged. */
  readonly vlan: number;
  readonly primary?: string;
  readonly secondary?: string;
}

/** What MAAS knows that decides whether it will do it. */
export interface DhcpFacts {
  readonly vlans: readonly Vlan[];
  readonly racks: readonly Controller[];
  /** The ids of the VLANs that have a range of dynamic addresses. */
  readonly withRange: ReadonlySet<number>;
}

/** The VLAN and the two racks that are to serve DHCP there. */
export interface DhcpPair {
  readonly vlan: Vlan;
  readonly primary: Controller;
  readonly secondary: Controller;
}

/**
 * Asks MAAS, checks what it would refuse, and has two racks serve DHCP on a VLAN. Twice is harmless.
 *
 * MAAS 3.7 tells racks of a change after it has committed it, through Temporal: where that is down it answers 500, and
 * never tells them. Asked for the same again it would change nothing, and say that all is well. So what fails is put back
 * at once, and the next try is a change again.
 */
export function dhcpConfigurer(request: DhcpRequest): (api: MaasApi) => Promise<DhcpPair> {
  let before: Vlan | undefined;
  return async (api) => {
    if (before) await putBack(api, before);
    const pair = dhcpPair(request, await factsOf(api));
    before ??= pair.vlan;
    try {
      for (const changes of dhcpChanges(pair)) await api.updateVlan(pair.vlan, changes);
    } catch (error) {
      await putBack(api, before);
      throw error;
    }
    return pair;
  };
}

async function factsOf(api: MaasApi): Promise<DhcpFacts> {
  const [vlans, racks, ranges] = await Promise.all([api.vlans(), api.rackControllers(), api.ipRanges()]);
  const withRange = new Set(
    ranges.filter(({ type }) => type === 'dynamic').map(({ subnet }) => subnet.vlan.id),
  );
  return { vlans, racks, withRange };
}

/** Has a VLAN be as it was, as far as MAAS does it: what it answers may be the same 500, and it has done it. */
async function putBack(api: MaasApi, before: Vlan): Promise<void> {
  const now = await possibly(api.vlans());
  const vlan = now?.find(({ id }) => id === before.id);
  for (const changes of vlan ? changesBack(vlan, before) : [])
    await possibly(api.updateVlan(before, changes));
}

async function possibly<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof UserError || error instanceof WaitingError) return undefined;
    throw error;
  }
}

/** The pair that a request means. @throws {UserError} saying what MAAS lacks, and how to get there */
export function dhcpPair(request: DhcpRequest, { vlans, racks, withRange }: DhcpFacts): DhcpPair {
  const vlan = findVlan(request, vlans);
  const where = `${vlan.fabric}, VLAN ${vlan.vid}`;
  if (!withRange.has(vlan.id)) {
    throw new UserError(
      `${where} has no range of dynamic addresses: maas <profile> ipranges create type=dynamic start_ip=… end_ip=…`,
    );
  }
  const able = racks
    .filter((rack) => problemOf(rack, vlan) === undefined)
    .toSorted(
      (a, b) =>
        rank(a, vlan) - rank(b, vlan) || a.hostname.localeCompare(b.hostname, 'en', { numeric: true }),
    );
  const named = (name: string | undefined): Controller | undefined => {
    if (name === undefined) return undefined;
    const rack = racks.find(({ hostname }) => hostname === name);
    if (!rack)
      throw new UserError(`there is no rack ${name}: ${racks.map(({ hostname }) => hostname).join(', ')}`);
    const problem = problemOf(rack, vlan);
    if (problem !== undefined) throw new UserError(`${name} cannot serve DHCP on ${where}: ${problem}`);
    return rack;
  };
  const [first, second] = [named(request.primary), named(request.secondary)];
  if (first && first === second) throw new UserError('primary and secondary have to be different racks');
  const free = able.filter((rack) => rack !== first && rack !== second);
  const primary = first ?? free.shift();
  const secondary = second ?? free.shift();
  if (primary && secondary) return { vlan, primary, secondary };
  const reasons = racks.flatMap((rack) => {
    const problem = problemOf(rack, vlan);
    return problem === undefined ? [] : [`${rack.hostname}: ${problem}`];
  });
  throw new UserError(
    [
      `${where} needs two racks that can serve DHCP, and has ${able.length}: juju add-unit maas-rack`,
      ...reasons,
    ].join('; '),
  );
}

/**
 * The changes, in their order, that make it so: none where it is so already. MAAS does not let a rack go from one place
 * to the other in the change that gives its own place away.
 */
export function dhcpChanges({
  vlan,
  primary,
  secondary,
}: DhcpPair): readonly Readonly<Record<string, string>>[] {
  const wanted = { primary_rack: primary.system_id, secondary_rack: secondary.system_id };
  if (
    vlan.dhcp_on &&
    vlan.primary_rack === wanted.primary_rack &&
    vlan.secondary_rack === wanted.secondary_rack
  )
    return [];
  const isMove = vlan.secondary_rack === wanted.primary_rack || vlan.primary_rack === wanted.secondary_rack;
  return [...(isMove ? [{ primary_rack: wanted.primary_rack }] : []), { dhcp_on: 'true', ...wanted }];
}

/** The changes, in their order, after which a VLAN is as it was: none where it still is. */
export function changesBack(now: Vlan, before: Vlan): readonly Readonly<Record<string, string>>[] {
  const { dhcp_on, primary_rack, secondary_rack } = before;
  if (now.dhcp_on === dhcp_on && now.primary_rack === primary_rack && now.secondary_rack === secondary_rack)
    return [];
  return [
    { dhcp_on: String(dhcp_on), secondary_rack: '' },
    { primary_rack: primary_rack ?? '' },
    ...(secondary_rack === null ? [] : [{ secondary_rack }]),
  ];
}

function findVlan({ fabric, vlan: vid }: DhcpRequest, vlans: readonly Vlan[]): Vlan {
  const fabrics = new Set(vlans.map(({ fabric_id }) => fabric_id));
  const matching = vlans.filter(
    (vlan) =>
      vlan.vid === vid &&
      (fabric === undefined
        ? fabrics.size === 1
        : vlan.fabric === fabric || String(vlan.fabric_id) === fabric),
  );
  const [found] = matching;
  if (found) return found;
  const known = vlans.map((vlan) => `fabric=${vlan.fabric} vlan=${vlan.vid}`).join(', ');
  throw new UserError(`which VLAN? There are: ${known}`);
}

/** Why a rack cannot be one of the two: what MAAS would refuse, and what would not work. */
function problemOf(rack: Controller, { id }: Vlan): string | undefined {
  const rackd = rack.service_set.find(({ name }) => name === 'rackd');
  if (rackd && rackd.status !== 'running' && rackd.status !== 'degraded')
    return `its rackd is ${rackd.status}`;
  const interfaces = rack.interface_set.filter(({ vlan }) => vlan?.id === id);
  if (interfaces.length === 0) return 'it has no interface there';
  const links = interfaces.flatMap((one) => one.links);
  if (!links.some(({ mode }) => mode === 'static' || mode === 'auto'))
    return 'it has no static address there, which the pair finds each other by';
  return undefined;
}

/** Racks that serve already go first, in their roles. */
function rank({ system_id }: Controller, { primary_rack, secondary_rack }: Vlan): number {
  return system_id === primary_rack ? 0 : system_id === secondary_rack ? 1 : 2;
}
