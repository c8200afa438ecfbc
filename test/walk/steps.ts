// What a random walk does to a model, step by step: which steps there are, and which is next. Nothing here asks the model:
// a seed is enough to know all the steps, and to take them again.
import type { Version } from '../doubles/maas/build.ts';

/** A machine with one unit of MAAS on it. */
interface Place {
  readonly unit: string;
  readonly machine: string;
}

/** The model as the steps so far have left it. */
export interface Walked {
  readonly regions: readonly Place[];
  readonly racks: readonly Place[];
  /** Numbers of the next unit of each application, and of the next machine. */
  readonly next: Readonly<Record<'maas-region' | 'maas-rack' | 'machine', number>>;
  /** The machine whose plug is pulled. */
  readonly down?: string;
  /** The relation that is not there at the moment. */
  readonly cut?: readonly [string, string];
  /** What its database has been migrated to: an upgrade to 3.7 is a step where it has not been there yet. */
  readonly versions: readonly Version[];
  /** How often a charm was refreshed. */
  readonly refreshes: number;
}

/** One step: words for `juju-local`, in which `<charm>` and `<source>` stand for what only the host knows. */
export interface Step {
  readonly words: readonly string[];
  readonly after: Walked;
}

/** A model of MAAS 3.4 in which nothing has happened: `postgresql/0` on machine 0, then the regions, then the racks. */
export function start(regions: number, racks: number): Walked {
  const places = (app: string, count: number, first: number): Place[] =>
    Array.from({ length: count }, (_, index) => ({
      unit: `${app}/${index}`,
      machine: String(first + index),
    }));
  return {
    regions: places('maas-region', regions, 1),
    racks: places('maas-rack', racks, 1 + regions),
    next: { 'maas-region': regions, 'maas-rack': racks, machine: 1 + regions + racks },
    versions: ['3.4'],
    refreshes: 0,
  };
}

/** The same numbers for the same seed, from 0 to 1 (mulberry32). */
export function randomBy(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const RELATIONS = [
  ['maas-region:rpc', 'maas-rack:rpc'],
  ['maas-region:api', 'haproxy:reverseproxy'],
  ['haproxy:vip', 'keepalived-vip:vip'],
  ['maas-region:vip', 'keepalived-vip:vip'],
] as const;

const OPTIONS = [
  ['haproxy', 'server-timeout=120'],
  ['haproxy', 'server-timeout=300'],
  ['haproxy', 'balance=leastconn'],
  ['haproxy', 'balance=roundrobin'],
  ['keepalived-vip', 'advert-interval=0.5'],
  ['keepalived-vip', 'advert-interval=1'],
  ['keepalived-vip', 'priority=120'],
  ['keepalived-vip', 'priority=0'],
  ['maas-region', 'num-workers=2'],
  ['maas-region', 'num-workers=1'],
  ['maas-region', 'debug=true'],
  ['maas-region', 'debug=false'],
  ['maas-rack', 'debug=true'],
  ['maas-rack', 'debug=false'],
] as const;

const ACTIONS = [
  ['maas-region/leader', 'list-controllers'],
  ['maas-region/leader', 'rotate-secret'],
  ['maas-region/leader', 'show-status'],
  ['maas-region/leader', 'show-plan'],
  ['keepalived-vip/leader', 'show-owner'],
  ['keepalived-vip/leader', 'release-vip'],
  ['haproxy/leader', 'show-backends'],
] as const;

const CHARMS = ['maas-region', 'maas-rack', 'haproxy', 'keepalived-vip'] as const;

type App = 'maas-region' | 'maas-rack';

/** What can be done now. */
export function choices(walked: Walked): readonly Step[] {
  const { regions, racks, down, cut, versions } = walked;
  const steps: Step[] = [];
  const step = (words: readonly string[], changed: Partial<Walked> = {}): void =>
    void steps.push({ words, after: { ...walked, ...changed } });
  const add = (app: App, key: 'regions' | 'racks', most: number): void => {
    const { [app]: number, machine } = walked.next;
    if (walked[key].length >= most) return;
    step(['add-unit', app], {
      [key]: [...walked[key], { unit: `${app}/${number}`, machine: String(machine) }],
      next: { ...walked.next, [app]: number + 1, machine: machine + 1 },
    });
  };
  const remove = (key: 'regions' | 'racks', least: number): void => {
    const running = walked[key].filter(({ machine }) => machine !== down);
    for (const place of walked[key]) {
      const isDown = place.machine === down;
      if (running.length - (isDown ? 0 : 1) < least) continue;
      const rest = { [key]: walked[key].filter(({ unit }) => unit !== place.unit) };
      const { down: _gone, ...others } = walked;
      // Of a region's machine Juju 4 would leave the subordinates, had only the unit been removed by force.
      if (isDown)
        steps.push({ words: ['remove-machine', place.machine, '--force'], after: { ...others, ...rest } });
      else {
        step(['remove-unit', place.unit], rest);
        step(
          key === 'racks'
            ? ['remove-unit', place.unit, '--force', '--no-wait']
            : ['remove-machine', place.machine, '--force', '--no-wait'],
          rest,
        );
      }
    }
  };
  add('maas-region', 'regions', 4);
  add('maas-rack', 'racks', 3);
  remove('regions', 1);
  remove('racks', 1);
  for (const [app, value] of OPTIONS) step(['config', app, value]);
  for (const [unit, action] of ACTIONS) step(['run', unit, action]);
  for (const app of CHARMS) step(['refresh', app, '--path', `<${app}>`], { refreshes: walked.refreshes + 1 });
  const { cut: _cut, ...related } = walked;
  // On a machine that is down the relation of before does not end, and Juju refuses the next one until it has.
  if (cut && down === undefined) steps.push({ words: ['integrate', ...cut], after: related });
  if (!cut) for (const pair of RELATIONS) step(['remove-relation', ...pair], { cut: pair });
  const { down: _down, ...running } = walked;
  if (down !== undefined) steps.push({ words: ['start-machine', down], after: running });
  else if (regions.length > 1 && racks.length > 1)
    for (const { machine } of [...regions, ...racks]) step(['stop-machine', machine], { down: machine });
  if (!versions.includes('3.7')) step(['upgrade'], { versions: [...versions, '3.7'] });
  return steps;
}

/** One kind of step is as likely as another, however many there are of it; what is cut or down is mended soon. */
export function nextStep(walked: Walked, random: () => number): Step {
  const pick = <T>(items: readonly T[]): T => {
    const item = items[Math.floor(random() * items.length)];
    if (item === undefined) throw new Error('there is nothing to choose from');
    return item;
  };
  const all = choices(walked);
  const mends = all.filter(({ words: [verb = ''] }) => ['integrate', 'start-machine'].includes(verb));
  if (mends.length > 0 && random() < 0.35) return pick(mends);
  // A unit goes alone or with its machine: one kind.
  const kinds = [
    ...Map.groupBy(all, ({ words: [verb] }) => (verb === 'remove-machine' ? 'remove-unit' : verb)).values(),
  ];
  return pick(pick(kinds));
}

/** What makes the model whole again. */
export function mend({ down, cut }: Walked): readonly (readonly string[])[] {
  return [
    ...(down === undefined ? [] : [['start-machine', down]]),
    ...(cut === undefined ? [] : [['integrate', ...cut]]),
  ];
}
