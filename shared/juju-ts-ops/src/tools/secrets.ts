import { z } from 'zod';
import { SecretInfo, Strings, type SecretMetadata } from '../answers.ts';
import { SecretNotFoundError } from '../errors.ts';
import { Redacted } from '../redacted.ts';
import { secretFolder, withSecretFiles, type SecretContent } from '../secret-files.ts';
import type { Rotation } from '../secret.ts';
import type { Caller } from './caller.ts';
import { about } from './command-line.ts';

/** The settings of a secret, beside its content. */
export interface SecretSettings {
  /** The owner's name for it. */
  readonly label?: string;
  readonly description?: string;
  /** When `secret-rotate` runs. */
  readonly rotate?: Rotation;
  /** When `secret-expired` runs: a duration from now (`72h`), or a moment in RFC 3339. */
  readonly expire?: string;
}

type SecretName = { readonly uri: string } | { readonly label: string };

/** Secrets, the unit's own and those of others. */
export function secretTools({ ask, run }: Caller, stateDirectory: string | undefined) {
  const secretFiles = stateDirectory === undefined ? undefined : secretFolder(stateDirectory);

  return {
    /**
     * The content of a secret, by its URI or, for an own secret, by its label. `refresh` follows to the newest
     * revision, `peek` reads it without following, and `tracked` reads the revision that was followed last.
     * @throws {SecretNotFoundError} also if it is not granted to this unit.
     */
    async secretGet(secret: SecretName, how: 'refresh' | 'peek' | 'tracked'): Promise<SecretContent> {
      const which = 'uri' in secret ? [secret.uri] : ['--label', secret.label];
      const content = await ask(z.record(z.string(), z.string()), 'secret-get', [
        ...which,
        ...(how === 'tracked' ? [] : [`--${how}`]),
      ]);
      return Object.fromEntries(Object.entries(content).map(([key, value]) => [key, new Redacted(value)]));
    },

    /** Labels a secret of another owner; secret events then carry the label. @throws {SecretNotFoundError} */
    async secretLabel(uri: string, label: string): Promise<void> {
      await ask(z.unknown(), 'secret-get', [uri, '--label', label]);
    },

    /** What the owner may know about one of its secrets. @throws {SecretNotFoundError} */
    async secretInfo(secret: SecretName): Promise<SecretMetadata> {
      const which = 'uri' in secret ? [secret.uri] : ['--label', secret.label];
      const [entry] = Object.entries(await ask(SecretInfo, 'secret-info-get', which));
      if (!entry) throw new SecretNotFoundError({ tool: 'secret-info-get' }, 'no such secret');
      const [id, { revision, access, label, description, rotation, expiry, rotates }] = entry;
      const grantedTo = (access ?? []).map(({ target }) =>
        target.replace(/^application-/, '').replace(/^unit-(.*)-(\d+)$/, '$1/$2'),
      );
      return {
        uri: `secret:${id}`,
        revision,
        grantedTo,
        ...(label !== undefined && { label }),
        ...(description !== undefined && { description }),
        ...(rotation !== undefined && { rotation }),
        ...(expiry !== undefined && { expiry }),
        ...(rotates !== undefined && { rotates }),
      };
    },

    /** Ids, without their scheme, of the secrets that this unit owns and, on the leader, of its application's. */
    async secretIds(): Promise<readonly string[]> {
      return ask(Strings, 'secret-ids', []);
    },

    /** Makes a secret and returns its URI. @throws {NotLeaderError} for one that the application owns. */
    async secretAdd(
      owner: 'application' | 'unit',
      content: SecretContent,
      settings: SecretSettings = {},
    ): Promise<string> {
      const uri = await withSecretFiles(secretFiles, content, (values) =>
        run('secret-add', ['--owner', owner, ...secretFlags(settings), ...values]),
      );
      // From 4.1 on with the model's UUID in it, which no other tool puts there: one secret has one name.
      return `secret:${uri.trim().replace(/^.*[:/]/, '')}`;
    },

    /** Makes a new revision, unless `content` is empty, and changes what `settings` names. */
    async secretSet(uri: string, content: SecretContent, settings: SecretSettings = {}): Promise<void> {
      await withSecretFiles(secretFiles, content, (values) =>
        run('secret-set', [uri, ...secretFlags(settings), ...values]),
      );
    },

    /**
     * Lets the other end of a relation, or one of its units, read a secret.
     * @throws {RelationNotFoundError}
     * @throws {SecretNotFoundError}
     */
    async secretGrant(uri: string, relation: number, unit?: string): Promise<void> {
      const [args, more] = about(relation, ...(unit === undefined ? [] : ['--unit', unit]));
      await run('secret-grant', [uri, ...args], more);
    },

    /**
     * Takes back the access of the other end of a relation, or of one of its units. Juju does so itself when a
     * relation ends. The relation is always named: without it, Juju takes the relation of the hook, and refuses an
     * application.
     * @throws {RelationNotFoundError}
     * @throws {SecretNotFoundError}
     */
    async secretRevoke(uri: string, relation: number, unit?: string): Promise<void> {
      const [args, more] = about(relation, ...(unit === undefined ? [] : ['--unit', unit]));
      await run('secret-revoke', [uri, ...args], more);
    },

    /** Removes a secret, or only one of its revisions. @throws {SecretNotFoundError} */
    async secretRemove(uri: string, revision?: number): Promise<void> {
      await run('secret-remove', [uri, ...(revision === undefined ? [] : ['--revision', String(revision)])]);
    },
  };
}

function secretFlags({ label, description, rotate, expire }: SecretSettings): readonly string[] {
  return Object.entries({ label, description, rotate, expire }).flatMap(([flag, value]) =>
    value === undefined ? [] : [`--${flag}`, value],
  );
}
