import type { Charmcraft } from '../../charmcraft.ts';
import type { HookRun } from '../hook-run.ts';
import type { SecretRevision, SecretState } from '../state.ts';
import { bareId } from './secret-arguments.ts';

/** The secrets that one hook sees, as its tools change them. */
export class SecretRecords<C extends Charmcraft> {
  /** Secrets of this hook's own making. */
  readonly added: SecretState[] = [];
  readonly #hook: HookRun<C>;
  #nextSecret = 0;

  constructor(hook: HookRun<C>) {
    this.#hook = hook;
  }

  own(): readonly SecretState[] {
    return this.#hook.pending.secrets.filter(
      ({ owner }) => owner === 'unit' || (owner === 'application' && this.#hook.before.isLeader),
    );
  }

  /** A secret that is to be changed. Juju looks only at the end of the hook whether it is there, and whose it is. */
  ownAtEnd(id: string): SecretState | undefined {
    const secret = this.own().find((own) => idOf(own) === id);
    if (secret) return secret;
    const isThere = this.#hook.pending.secrets.some((known) => idOf(known) === id);
    this.#hook.refuseAtEnd(`secret "${id}"${isThere ? ': permission denied' : ' not found'}`);
    return undefined;
  }

  change({ uri }: SecretState, change: (secret: SecretState) => SecretState): void {
    this.#hook.pending.secrets = this.#hook.pending.secrets.map((secret) =>
      secret.uri === uri ? change(secret) : secret,
    );
  }

  /** What a unit follows counts at once, also when the hook fails. */
  track({ uri }: SecretState, followed: { readonly tracked?: number; readonly label?: string }): void {
    const follow = (secrets: readonly SecretState[]) =>
      secrets.map((secret) => (secret.uri === uri ? { ...secret, ...followed } : secret));
    this.#hook.pending.secrets = follow(this.#hook.pending.secrets);
    this.#hook.applied.secrets = follow(this.#hook.applied.secrets);
  }

  info({ revisions, label = '', owner, description, rotate = 'never', expire, grants = [] }: SecretState) {
    return {
      revision: revisions.at(-1)?.number ?? 0,
      label,
      owner,
      ...(description !== undefined && { description }),
      rotation: rotate,
      ...(expire !== undefined && { expiry: expire }),
      ...(grants.length > 0 && {
        access: grants.map(({ relation, unit }) => ({
          target:
            unit === undefined
              ? `application-${this.#hook.pending.relations.find(({ id }) => id === relation)?.app ?? ''}`
              : `unit-${unit.replace('/', '-')}`,
          scope: `relation-${relation}`,
          role: 'view',
        })),
      }),
    };
  }

  newId(): string {
    for (;;) {
      const id = `made${String((this.#nextSecret += 1)).padStart(16, '0')}`;
      if (!this.#hook.pending.secrets.some((secret) => idOf(secret) === id)) return id;
    }
  }
}

/** Juju makes no new revision of what is the same. */
export function withRevision(
  revisions: readonly SecretRevision[],
  content: Readonly<Record<string, string>>,
  before: SecretState | undefined,
): readonly SecretRevision[] {
  const latest = revisions.at(-1);
  // Twice in one hook makes one revision.
  if (latest && before && latest.number > (before.revisions.at(-1)?.number ?? 0))
    return [...revisions.slice(0, -1), { number: latest.number, content }];
  const same =
    latest &&
    Object.keys(latest.content).length === Object.keys(content).length &&
    Object.entries(content).every(([key, value]) => latest.content[key] === value);
  return same ? revisions : [...revisions, { number: (latest?.number ?? 0) + 1, content }];
}

/** The id of a secret, as Juju's messages have it. */
export function idOf({ uri }: SecretState): string {
  return bareId(uri);
}
