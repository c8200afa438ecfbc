import type { GivenOptions, Options } from 'juju-ts-ops';
import type { Certificate } from './certificate.ts';
import { options } from './options.ts';

/** What the user decides, and what can be wrong. */
export interface Settings {
  readonly options: Options<typeof options>;
  /** The same as Juju has them. */
  readonly given: GivenOptions;
  readonly certificate?: Certificate;
}

/** What is wrong with settings. */
export interface Judgement {
  /** Ports that two want, or that another program has. */
  readonly clashes: readonly Clash[];
  /** What HAProxy says to the file that they make; absent where it takes it, or was not asked. */
  readonly refusal?: string;
}

/** A port that somebody does not get. */
export interface Clash {
  /** Who: the same whatever the port is. */
  readonly who: string;
  /** For a status. */
  readonly text: string;
}

/** The settings that count, and what of the others does not, in words for a status. */
export interface Settled {
  readonly settings: Settings;
  readonly refused: readonly string[];
}

/**
 * The new settings, as far as they make nothing worse than it is with those of before: else each change for itself that
 * does not. So what is wrong stays as it was, and everything else is followed.
 */
export async function settle(
  before: Settings,
  wanted: Settings,
  judge: (settings: Settings) => Promise<Judgement>,
): Promise<Settled> {
  const changes = changesOf(before, wanted);
  if (changes.length === 0) return { settings: wanted, refused: [] };
  const all = await judge(wanted);
  if (all.clashes.length === 0 && all.refusal === undefined) return { settings: wanted, refused: [] };
  const base = await judge(before);
  const complaint = ({ clashes, refusal }: Judgement): string | undefined =>
    clashes.find(({ who }) => !base.clashes.some((clash) => clash.who === who))?.text ??
    (base.refusal === undefined && refusal !== undefined ? `HAProxy refuses it: ${refusal}` : undefined);
  if (complaint(all) === undefined) return { settings: wanted, refused: [] };
  let settings = before;
  const refused: string[] = [];
  for (const { name, apply } of changes) {
    const next = apply(settings);
    const wrong = complaint(await judge(next));
    if (wrong === undefined) settings = next;
    else refused.push(`${name} is not applied: ${wrong}`);
  }
  return { settings, refused };
}

interface Change {
  /** `port=443` */
  readonly name: string;
  readonly apply: (settings: Settings) => Settings;
}

function changesOf(before: Settings, wanted: Settings): readonly Change[] {
  const names = Object.keys(options).filter(
    (name): name is keyof typeof options =>
      name !== 'certificate' && before.given[name] !== wanted.given[name],
  );
  const { certificate } = wanted;
  return [
    ...names.map((name) => ({
      name: shown(name, wanted.given[name]),
      apply: (settings: Settings): Settings => ({
        ...settings,
        options: { ...settings.options, [name]: wanted.options[name] },
        given: { ...settings.given, [name]: wanted.given[name] ?? '' },
      }),
    })),
    ...(before.certificate?.pem.digest() === certificate?.pem.digest()
      ? []
      : [
          {
            name: 'the new certificate',
            apply: ({ certificate: _old, ...more }: Settings): Settings => ({
              ...more,
              ...(certificate && { certificate }),
            }),
          },
        ]),
  ];
}

/** Of a long text only its name. */
function shown(name: string, value: string | number | boolean | undefined): string {
  const text = String(value ?? '');
  return text.length > 30 || text.includes('\n') ? `${name}=` : `${name}=${text}`;
}

/** Ports that several options ask for. @param uses the options with their ports */
export function portClashes(uses: readonly (readonly [option: string, port: number])[]): readonly Clash[] {
  return uses.flatMap(([option, port], index) =>
    uses
      .slice(0, index)
      .filter(([, other]) => other === port)
      .map(([other]) => ({ who: `${other} ${option}`, text: `${other}= and ${option}= are both ${port}` })),
  );
}

/** A port, or the first and the last of a range, that `bind` lines have on every address. */
export function boundPorts(extraConfig: string): readonly (readonly [from: number, to: number])[] {
  return [...extraConfig.matchAll(/^[ \t]*bind[ \t]+(\S+)/gm)].flatMap(([, list = '']) =>
    list.split(',').flatMap((text) => {
      const [, host = '', from, to = from] = /^(?:ipv4@|ipv6@)?(.*):(\d+)(?:-(\d+))?$/.exec(text) ?? [];
      return from !== undefined && /^(|\*|0\.0\.0\.0|::|\[::\])$/.test(host)
        ? [[Number(from), Number(to)] as const]
        : [];
    }),
  );
}
