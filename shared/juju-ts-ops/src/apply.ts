import type { Charmcraft, EndpointName, Endpoints } from './charmcraft.ts';
import { appOf, type HookContext } from './context.ts';
import { encodeBag, secretsIn, type BagSchema, type BagValues, type RawBag, type Side } from './databag.ts';
import { CharmBugError, HookToolError, UserError } from './errors.ts';
import type { DatabagPlan, Plan } from './plan.ts';
import { holdsRedacted, type Redacted } from './redacted.ts';
import type { SecretLabel, SecretPlan } from './secret.ts';
import { shownText, worst, type Status } from './status.ts';
import type { SecretMetadata, ShownStatus } from './answers.ts';
import type { HookTools } from './tools.ts';

/** One thing that was, or would be, changed. */
export interface Change {
  /** What it is: `file:/etc/haproxy/haproxy.cfg`, `databag:rpc:3/app`. */
  readonly what: string;
  readonly how: string;
}

/** `preview` says what would be written, and writes nothing. */
export type Mode = 'apply' | 'preview';

/** What of a charm the writing depends on. */
interface CharmParts<C, E, B> {
  readonly charmcraft: C;
  readonly endpoints: E;
  readonly stored?: B;
}

/** What the writing asks of Juju, whichever charm it is for. */
interface Asked {
  readonly context: Pick<HookContext, 'unit' | 'app'>;
  readonly tools: HookTools;
  isLeader(): Promise<boolean>;
  databag(relation: number, owner: string): Promise<RawBag>;
  relationApps(): Promise<readonly { readonly id: number; readonly app: string }[]>;
  ownSecret(secret: SecretLabel): Promise<Readonly<Record<string, Redacted>> | undefined>;
  storedTexts(): Promise<RawBag>;
  shownStatus(): Promise<ShownStatus>;
}

/** Juju's limits on what a unit keeps in the controller. https://github.com/juju/juju/blob/3.6/core/quota */
const MOST_KEY_BYTES = 256;
const MOST_VALUE_BYTES = 65_536;

/** Brings Juju's side of a plan about: secrets, then the rest at the same time. Writes only what differs. */
export async function applyToJuju<C extends Charmcraft, E extends Endpoints<C>, R, B extends BagSchema>(
  plan: Plan<C, E, R, B>,
  charm: CharmParts<C, E, B>,
  juju: Asked,
  mode: Mode,
): Promise<readonly Change[]> {
  const planned = secretsOf(plan);
  const isLeader = needsLeader(plan, planned) && (await juju.isLeader());
  const secrets = await applySecrets(planned, isLeader, juju, mode);
  const changes = await Promise.all([
    ...(plan.databags ?? []).map((databag) =>
      applyDatabags(databag, ownSide(charm, databag.endpoint), secrets.uris, { isLeader, juju, mode }),
    ),
    plan.ports ? applyPorts(plan.ports, juju, mode) : [],
    plan.stored ? applyStored(plan.stored, charm.stored, juju, mode) : [],
  ]);
  return [...secrets.changes, ...changes.flat()];
}

/** What a plan makes, keeps or removes, whether it lists a secret or a databag names it. */
function secretsOf<C extends Charmcraft, E extends Endpoints<C>, R, B extends BagSchema>({
  secrets = [],
  databags = [],
}: Plan<C, E, R, B>): readonly SecretPlan[] {
  const named = databags.flatMap(({ unit, app }) => [...secretsIn(unit), ...secretsIn(app)]);
  const planned = [...new Set([...secrets, ...named])];
  const labels = planned.map(({ secret }) => secret.label);
  const twice = labels.find((label, index) => labels.indexOf(label) !== index);
  if (twice !== undefined)
    throw new CharmBugError(`the plan has two of the secret ${twice}: make one, and name that one`);
  return planned;
}

/** Whether leadership decides anything: it is a question to Juju like any other. */
function needsLeader<C extends Charmcraft, E extends Endpoints<C>, R, B extends BagSchema>(
  { databags = [] }: Plan<C, E, R, B>,
  secrets: readonly SecretPlan[],
): boolean {
  return (
    secrets.some(({ owner = 'application' }) => owner === 'application') || databags.some(({ app }) => app)
  );
}

/** Shows the worst of the statuses, unless it is shown already. */
export async function applyStatus(statuses: readonly Status[], juju: Asked): Promise<void> {
  const shown = await juju.shownStatus();
  await setWorst(statuses, shown, (status) => juju.tools.statusSet(status));
}

/** The same for the application, which only the leader may. */
export async function applyAppStatus(statuses: readonly Status[], juju: Asked): Promise<void> {
  if (!(await juju.isLeader())) return;
  const shown = await juju.tools.appStatusGet();
  await setWorst(statuses, shown, (status) => juju.tools.statusSet(status, 'application'));
}

async function setWorst(
  statuses: readonly Status[],
  shown: ShownStatus,
  set: (status: Status) => Promise<void>,
): Promise<void> {
  const status = worst(statuses);
  const message = shownText(status);
  if (shown.level !== status.level || shown.message !== message) await set({ level: status.level, message });
}

async function applySecrets(
  secrets: readonly SecretPlan[],
  isLeader: boolean,
  juju: Asked,
  mode: Mode,
): Promise<{ uris: ReadonlyMap<SecretPlan, string>; changes: readonly Change[] }> {
  const mine = secrets.filter(({ owner = 'application' }) => owner === 'unit' || isLeader);
  const applied = await Promise.all(
    mine.map(async (planned) => ({ planned, ...(await applySecret(planned, juju, mode)) })),
  );
  return {
    uris: new Map(applied.flatMap(({ planned, uri }) => (uri === undefined ? [] : [[planned, uri]]))),
    changes: applied.flatMap(({ changes }) => changes),
  };
}

async function applySecret(
  planned: SecretPlan,
  juju: Asked,
  mode: Mode,
): Promise<{ uri?: string; changes: readonly Change[] }> {
  const { secret, owner = 'application', content, grants } = planned;
  const { label } = secret;
  const { tools } = juju;
  const what = `secret:${label}`;
  const current = await juju.ownSecret(secret);
  if (!current) {
    if (content === 'absent' || content === 'kept') return { changes: [] };
    const changes = [{ what, how: 'made' }];
    if (mode === 'preview') return { uri: 'secret:new', changes };
    const uri = await tools.secretAdd(owner, content, settingsOf(planned));
    for (const { id } of grants) await tools.secretGrant(uri, id);
    return { uri, changes };
  }
  const info = await tools.secretInfo({ label });
  const { uri } = info;
  if (content === 'absent') {
    if (mode === 'apply') await tools.secretRemove(uri);
    return { changes: [{ what, how: 'removed' }] };
  }
  const missing = grants.filter(({ app }) => !info.grantedTo.includes(app));
  const surplus = await revocable(
    info.grantedTo.filter((name) => !grants.some(({ app }) => app === name || name.startsWith(`${app}/`))),
    juju,
  );
  const hasOtherContent = content !== 'kept' && !sameContent(current, content);
  const hasOtherSettings = !sameSettings(info, planned);
  if (mode === 'apply') {
    for (const { id } of missing) await tools.secretGrant(uri, id);
    for (const { relation, unit } of surplus) await tools.secretRevoke(uri, relation, unit);
    if (hasOtherContent || hasOtherSettings)
      await tools.secretSet(uri, hasOtherContent ? content : {}, hasOtherSettings ? settingsOf(planned) : {});
  }
  return {
    uri,
    changes: [
      ...missing.map(({ app }) => ({ what, how: `granted to ${app}` })),
      ...surplus.map(({ name }) => ({ what, how: `revoked from ${name}` })),
      ...(hasOtherContent ? [{ what, how: 'a new revision' }] : []),
      ...(hasOtherSettings ? [{ what, how: 'other settings' }] : []),
    ],
  };
}

/** Over which relations readers can be told off. Those whose relation ends are not among them: Juju tells them off itself. */
async function revocable(
  readers: readonly string[],
  juju: Asked,
): Promise<readonly { readonly name: string; readonly relation: number; readonly unit?: string }[]> {
  if (readers.length === 0) return [];
  const relations = await juju.relationApps();
  return readers.flatMap((name) => {
    const unit = name.includes('/') ? name : undefined;
    const relation = relations.find(({ app }) => app === (unit === undefined ? name : appOf(unit)));
    return relation ? [{ name, relation: relation.id, ...(unit !== undefined && { unit }) }] : [];
  });
}

function settingsOf({ secret, description, rotate, expire }: SecretPlan) {
  return {
    label: secret.label,
    ...(description !== undefined && { description }),
    ...(rotate !== undefined && { rotate }),
    ...(expire !== undefined && { expire }),
  };
}

function sameSettings(info: SecretMetadata, { description, rotate = 'never', expire }: SecretPlan): boolean {
  return (
    (description === undefined || description === info.description) &&
    rotate === (info.rotation ?? 'never') &&
    (expire === undefined || Date.parse(expire) === Date.parse(info.expiry ?? ''))
  );
}

function sameContent(a: Readonly<Record<string, Redacted>>, b: Readonly<Record<string, Redacted>>): boolean {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => {
    const [left, right] = [a[key], b[key]];
    return left !== undefined && right !== undefined && left.equals(right);
  });
}

interface Writing {
  readonly isLeader: boolean;
  readonly juju: Asked;
  readonly mode: Mode;
}

async function applyDatabags<C extends Charmcraft, E extends Endpoints<C>>(
  { endpoint, relation, unit, app }: DatabagPlan<C, E>,
  side: Side,
  uris: ReadonlyMap<SecretPlan, string>,
  { isLeader, juju, mode }: Writing,
): Promise<readonly Change[]> {
  const bags = [
    { bag: 'unit', owner: juju.context.unit, schema: side.unit, values: unit },
    { bag: 'app', owner: juju.context.app, schema: side.app, values: isLeader ? app : undefined },
  ] as const;
  const changes = bags.map(async ({ bag, owner, schema, values }): Promise<readonly Change[]> => {
    if (!values) return [];
    const current = await juju.databag(relation, owner);
    const differing = differences(
      current,
      encodeBag(schema, values, (planned) => uris.get(planned)),
    );
    if (Object.keys(differing).length === 0) return [];
    if (mode === 'apply') await juju.tools.relationSet(relation, bag, differing);
    return [{ what: `databag:${endpoint}:${relation}/${bag}`, how: diffOf(current, differing, values) }];
  });
  return (await Promise.all(changes)).flat();
}

async function applyStored<B extends BagSchema>(
  values: BagValues<B>,
  schema: B | undefined,
  juju: Asked,
  mode: Mode,
): Promise<readonly Change[]> {
  if (!schema)
    throw new CharmBugError('the plan stores something, and the charm declares nothing to be stored');
  const current = await juju.storedTexts();
  const wanted = encodeBag(schema, values, () => undefined);
  const differing = differences(current, wanted);
  if (Object.keys(differing).length === 0) return [];
  for (const [key, value] of Object.entries(differing)) {
    if (Buffer.byteLength(key) > MOST_KEY_BYTES || Buffer.byteLength(value) > MOST_VALUE_BYTES)
      throw new CharmBugError(
        `${key} is too long to be stored: Juju takes ${MOST_VALUE_BYTES} bytes, and ${MOST_KEY_BYTES} for its name`,
      );
  }
  if (mode === 'apply') {
    const written = Object.fromEntries(Object.entries(differing).filter(([, value]) => value !== ''));
    if (Object.keys(written).length > 0) await juju.tools.stateSet(written);
    for (const [key, value] of Object.entries(differing)) if (value === '') await juju.tools.stateDelete(key);
  }
  return [{ what: 'stored', how: diffOf(current, differing, values) }];
}

/** The keys that are not as wanted; `""` for those that go. */
function differences(current: RawBag, wanted: ReadonlyMap<string, string | undefined>): RawBag {
  return Object.fromEntries(
    [...wanted]
      .map(([key, value = '']): [string, string] => [key, value])
      .filter(([key, value]) => (current[key] ?? '') !== value),
  );
}

/** Lines with `-` and `+`. What a key hides, it hides here too, and then before and after. */
function diffOf(current: RawBag, differing: RawBag, values: object): string {
  const secret = new Set(
    Object.entries(values).flatMap(([key, value]: [string, unknown]) => (holdsRedacted(value) ? [key] : [])),
  );
  return Object.entries(differing)
    .flatMap(([key, value]) => {
      const hide = (text: string): string => (secret.has(key) ? '[redacted]' : text);
      const before = current[key];
      return [
        ...(before === undefined ? [] : [`\n-${key}=${value === '' ? '' : hide(before)}`]),
        ...(value === '' ? [] : [`\n+${key}=${hide(value)}`]),
      ];
    })
    .join('');
}

async function applyPorts(
  wanted: readonly string[],
  { tools }: Asked,
  mode: Mode,
): Promise<readonly Change[]> {
  const open = await tools.openedPorts();
  const toOpen = wanted.filter((port) => !open.includes(port));
  const toClose = open.filter((port) => !wanted.includes(port));
  if (mode === 'apply') {
    // Those that close first: Juju refuses a range that overlaps an open one.
    for (const port of toClose) await tools.closePort(port);
    for (const port of toOpen) await openPort(port, tools);
  }
  return [
    ...toOpen.map((port) => ({ what: `port:${port}`, how: 'open' })),
    ...toClose.map((port) => ({ what: `port:${port}`, how: 'closed' })),
  ];
}

/** @throws {UserError} when another unit of this machine has the port open */
async function openPort(port: string, tools: HookTools): Promise<void> {
  try {
    await tools.openPort(port);
  } catch (cause) {
    if (!(cause instanceof HookToolError && cause.message.includes('conflicts with'))) throw cause;
    const [, other, unit] = /conflicts with (\S+) \(unit "([^"]+)"\)/.exec(cause.message) ?? [];
    throw new UserError(
      other === undefined
        ? cause.message
        : `${port} conflicts with ${other} of ${unit}: put one on another machine, or on another port`,
      { cause },
    );
  }
}

function ownSide<C extends Charmcraft>(
  { charmcraft, endpoints }: { readonly charmcraft: C; readonly endpoints: Endpoints<C> },
  endpoint: EndpointName<C>,
): Side {
  const contract = endpoints[endpoint];
  if (!contract) throw new CharmBugError(`no contract for the endpoint ${endpoint}`);
  return endpoint in charmcraft.provides ? contract.provider : contract.requirer;
}
