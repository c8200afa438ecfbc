import type { Charmcraft, EndpointName, Endpoints } from './charmcraft.ts';
import { encodeBag, type RawBag, type Side } from './databag.ts';
import { CharmBugError, SecretNotFoundError } from './errors.ts';
import type { DatabagPlan, Plan, SecretPlan } from './plan.ts';
import type { Redacted } from './redacted.ts';
import { worst, type Status } from './status.ts';
import type { HookTools } from './tools.ts';

/** One thing that was (or would be) changed, in words. */
export interface Change {
  /** What it is: `file:/etc/haproxy/haproxy.cfg`, `databag:rpc:3/app`. */
  readonly what: string;
  readonly how: string;
}

/** Who writes, and whether anything is written at all. */
interface Writer {
  readonly unit: string;
  readonly app: string;
  readonly isLeader: boolean;
  readonly tools: HookTools;
  /** `preview` says what would be written, and writes nothing. */
  readonly mode: 'apply' | 'preview';
}

/** Brings Juju's side of a plan about: secrets, then databags, then ports. Writes only what differs. */
export async function applyToJuju<C extends Charmcraft, E extends Endpoints<C>, R>(
  plan: Plan<C, E, R>,
  charmcraft: C,
  endpoints: E,
  writer: Writer,
): Promise<readonly Change[]> {
  const changes: Change[] = [];
  const uris = new Map<string, string>();
  if (writer.isLeader) {
    for (const secret of plan.secrets ?? []) {
      const { uri, change } = await applySecret(secret, writer);
      uris.set(secret.label, uri);
      if (change) changes.push(change);
    }
  }
  const secretUri = (label: string): string => {
    const uri = uris.get(label);
    if (uri === undefined)
      throw new CharmBugError(`a databag names the secret ${label}, which the plan does not make`);
    return uri;
  };
  const writes = (plan.databags ?? []).map((databag) =>
    applyDatabags(databag, ownSide(charmcraft, endpoints, databag.endpoint), secretUri, writer),
  );
  changes.push(...(await Promise.all(writes)).flat());
  if (plan.ports) changes.push(...(await applyPorts(plan.ports, writer)));
  return changes;
}

/** Shows the worst of the statuses, unless it is shown already. */
export async function applyStatus(statuses: readonly Status[], tools: HookTools): Promise<void> {
  const status = worst(statuses);
  const shown = await tools.statusGet();
  if (shown.level !== status.level || shown.message !== status.message) await tools.statusSet(status);
}

async function applySecret(
  secret: SecretPlan,
  { tools, mode }: Writer,
): Promise<{ uri: string; change?: Change }> {
  const what = `secret:${secret.label}`;
  const existing = await existingSecret(secret.label, tools);
  if (!existing) {
    if (mode === 'preview') return { uri: 'secret:new', change: { what, how: 'would be made' } };
    const uri = await tools.secretAdd('application', secret.content, { label: secret.label });
    for (const { id } of secret.grants) await tools.secretGrant(uri, id);
    return { uri, change: { what, how: 'made' } };
  }
  const { uri, content, grantedTo } = existing;
  if (mode === 'apply') {
    for (const { id, app } of secret.grants) {
      if (!grantedTo.includes(app)) await tools.secretGrant(uri, id);
    }
  }
  if (sameContent(content, secret.content)) return { uri };
  if (mode === 'preview') return { uri, change: { what, how: 'would get a new revision' } };
  await tools.secretSet(uri, secret.content);
  return { uri, change: { what, how: 'a new revision' } };
}

async function existingSecret(label: string, tools: HookTools) {
  try {
    const [info, content] = await Promise.all([
      tools.secretInfo({ label }),
      tools.secretGet({ label }, 'peek'),
    ]);
    return { ...info, content };
  } catch (error) {
    if (error instanceof SecretNotFoundError) return undefined;
    throw error;
  }
}

function sameContent(a: Readonly<Record<string, Redacted>>, b: Readonly<Record<string, Redacted>>): boolean {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => {
    const [left, right] = [a[key], b[key]];
    return left !== undefined && right !== undefined && left.equals(right);
  });
}

async function applyDatabags<C extends Charmcraft, E extends Endpoints<C>>(
  databag: DatabagPlan<C, E>,
  side: Side,
  secretUri: (label: string) => string,
  writer: Writer,
): Promise<readonly Change[]> {
  const bags = [
    { bag: 'unit', owner: writer.unit, schema: side.unit, values: databag.unit },
    { bag: 'app', owner: writer.app, schema: side.app, values: writer.isLeader ? databag.app : undefined },
  ] as const;
  const changes = bags.map(async ({ bag, owner, schema, values }): Promise<readonly Change[]> => {
    if (!values) return [];
    const current = await writer.tools.relationGet(databag.relation, owner);
    const wanted = encodeBag(schema, values, secretUri);
    const differing: Record<string, string> = {};
    for (const [key, value] of wanted) {
      if ((current[key] ?? '') !== (value ?? '')) differing[key] = value ?? '';
    }
    if (Object.keys(differing).length === 0) return [];
    if (writer.mode === 'apply') await writer.tools.relationSet(databag.relation, bag, differing);
    return [
      { what: `databag:${databag.endpoint}:${databag.relation}/${bag}`, how: describe(current, differing) },
    ];
  });
  return (await Promise.all(changes)).flat();
}

function describe(current: RawBag, differing: RawBag): string {
  return Object.entries(differing)
    .map(([key, value]) => (value === '' ? `-${key}` : `${key in current ? '' : '+'}${key}=${value}`))
    .join(' ');
}

async function applyPorts(wanted: readonly string[], { tools, mode }: Writer): Promise<readonly Change[]> {
  const open = await tools.openedPorts();
  const toOpen = wanted.filter((port) => !open.includes(port));
  const toClose = open.filter((port) => !wanted.includes(port));
  if (mode === 'apply') {
    for (const port of toOpen) await tools.openPort(port);
    for (const port of toClose) await tools.closePort(port);
  }
  return [
    ...toOpen.map((port) => ({ what: `port:${port}`, how: 'open' })),
    ...toClose.map((port) => ({ what: `port:${port}`, how: 'closed' })),
  ];
}

function ownSide<C extends Charmcraft>(
  charmcraft: C,
  endpoints: Endpoints<C>,
  endpoint: EndpointName<C>,
): Side {
  const contract = endpoints[endpoint];
  if (!contract) throw new CharmBugError(`no contract for the endpoint ${endpoint}`);
  return endpoint in charmcraft.provides ? contract.provider : contract.requirer;
}
