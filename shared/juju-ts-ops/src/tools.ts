import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { stringify as stringifyYaml } from 'yaml';
import { z } from 'zod';
import type { RawBag } from './databag.ts';
import { HookToolError, RelationNotFoundError, SecretNotFoundError } from './errors.ts';
import { Redacted } from './redacted.ts';
import type { Status, StatusLevel } from './status.ts';

/** How long one hook tool may take, in milliseconds. Juju answers in milliseconds; a tool that hangs must not hang the unit. */
const TOOL_TIMEOUT = 300_000;

const Strings = z
  .array(z.string())
  .nullable()
  .transform((list) => list ?? []);
const Texts = z
  .record(z.string(), z.string())
  .nullable()
  .transform((map) => map ?? {});
const Network = z.object({
  'bind-addresses': z
    .array(z.object({ addresses: z.array(z.object({ value: z.string() })).nullish() }))
    .nullish(),
  'egress-subnets': z.array(z.string()).nullish(),
  'ingress-addresses': z.array(z.string()).nullish(),
});
const SecretInfo = z.record(
  z.string(),
  z.object({
    revision: z.int(),
    access: z.array(z.object({ target: z.string() })).nullish(),
  }),
);

/** What Juju says about a network: addresses in the order of Juju, best first. */
export interface NetworkInfo {
  readonly bindAddresses: readonly string[];
  readonly ingressAddresses: readonly string[];
  readonly egressSubnets: readonly string[];
}

/** What the owner of a secret may know about it without its content. */
export interface SecretMetadata {
  /** With its scheme, as it goes into a databag: `secret:9m4e2mr0ui3e8a215n4g`. */
  readonly uri: string;
  readonly revision: number;
  /** The applications that may read it. */
  readonly grantedTo: readonly string[];
}

export type LogLevel = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR';

/**
 * Juju's hook tools, one function each, with their answers parsed. Nothing is cached here.
 * Every function throws {@link HookToolError} when Juju refuses, or one of its subclasses where they say so.
 * The tools are described at https://documentation.ubuntu.com/juju/3.6/reference/hook-command/.
 */
export const tools = {
  async configGet(): Promise<Readonly<Record<string, string | number | boolean>>> {
    const Config = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).nullable();
    return (await ask(Config, 'config-get', [])) ?? {};
  },

  async isLeader(): Promise<boolean> {
    return ask(z.boolean(), 'is-leader', []);
  },

  /** Ids as Juju prints them: `db:7`. A relation that is being broken is not among them. */
  async relationIds(endpoint: string): Promise<readonly string[]> {
    return ask(Strings, 'relation-ids', [endpoint]);
  },

  /** @throws {RelationNotFoundError} */
  async relationUnits(relation: number): Promise<readonly string[]> {
    return ask(Strings, 'relation-list', ['-r', String(relation)]);
  },

  /** @throws {RelationNotFoundError} */
  async relationApp(relation: number): Promise<string> {
    return ask(z.string(), 'relation-list', ['-r', String(relation), '--app']);
  },

  /** The databag of a unit (`mysql/0`) or of an application (`mysql`). */
  async relationGet(relation: number, owner: string): Promise<RawBag> {
    const app = owner.includes('/') ? [] : ['--app'];
    return ask(Texts, 'relation-get', ['-r', String(relation), ...app, '-', owner]);
  },

  /** Sets keys of the own databag; `""` deletes one. The values travel on stdin. */
  async relationSet(relation: number, bag: 'app' | 'unit', values: RawBag): Promise<void> {
    const app = bag === 'app' ? ['--app'] : [];
    await run('relation-set', ['-r', String(relation), ...app, '--file', '-'], stringifyYaml(values));
  },

  async networkGet(binding: string): Promise<NetworkInfo> {
    const network = await ask(Network, 'network-get', [binding]);
    return {
      bindAddresses: (network['bind-addresses'] ?? []).flatMap(({ addresses }) =>
        (addresses ?? []).map(({ value }) => value),
      ),
      ingressAddresses: network['ingress-addresses'] ?? [],
      egressSubnets: network['egress-subnets'] ?? [],
    };
  },

  async statusGet(): Promise<{ readonly level: string; readonly message: string }> {
    const answer = await ask(
      z.object({ status: z.string(), message: z.string().default('') }),
      'status-get',
      ['--include-data'],
    );
    return { level: answer.status, message: answer.message };
  },

  /** Shown at once, whether the hook succeeds or not. */
  async statusSet(status: Status): Promise<void> {
    const level: StatusLevel = status.level;
    await run('status-set', ['--', level, status.message]);
  },

  async applicationVersionSet(version: string): Promise<void> {
    await run('application-version-set', ['--', version]);
  },

  /** `["80/tcp"]`, without what this very hook has opened. */
  async openedPorts(): Promise<readonly string[]> {
    return ask(Strings, 'opened-ports', []);
  },

  async openPort(port: string): Promise<void> {
    await run('open-port', [port]);
  },

  async closePort(port: string): Promise<void> {
    await run('close-port', [port]);
  },

  /**
   * The content of a secret, by its URI or, for an own secret, by its label. `refresh` follows to the newest
   * revision, `peek` looks at it without following.
   * @throws {SecretNotFoundError} also when it is not granted to this unit.
   */
  async secretGet(
    secret: { readonly uri: string } | { readonly label: string },
    how: 'refresh' | 'peek',
  ): Promise<Readonly<Record<string, Redacted>>> {
    const which = 'uri' in secret ? [secret.uri] : ['--label', secret.label];
    const content = await ask(z.record(z.string(), z.string()), 'secret-get', [...which, `--${how}`]);
    return Object.fromEntries(Object.entries(content).map(([key, value]) => [key, new Redacted(value)]));
  },

  /** What the owner may know about one of its secrets. @throws {SecretNotFoundError} */
  async secretInfo(label: string): Promise<SecretMetadata> {
    const [entry] = Object.entries(await ask(SecretInfo, 'secret-info-get', ['--label', label]));
    if (!entry) throw new SecretNotFoundError('secret-info-get', undefined, `no secret is labelled ${label}`);
    const [id, { revision, access }] = entry;
    const grantedTo = (access ?? []).map(({ target }) => target.replace(/^application-/, ''));
    return { uri: `secret:${id}`, revision, grantedTo };
  },

  /** Makes a secret and returns its URI. Only the leader may make one that the application owns. */
  async secretAdd(
    label: string,
    owner: 'application' | 'unit',
    content: Readonly<Record<string, Redacted>>,
  ): Promise<string> {
    return withSecretFiles(content, async (values) =>
      (await run('secret-add', ['--owner', owner, '--label', label, ...values])).trim(),
    );
  },

  /** Makes a new revision. */
  async secretSet(uri: string, content: Readonly<Record<string, Redacted>>): Promise<void> {
    await withSecretFiles(content, (values) => run('secret-set', [uri, ...values]));
  },

  async secretGrant(uri: string, relation: number): Promise<void> {
    await run('secret-grant', [uri, '-r', String(relation)]);
  },

  async actionGet(): Promise<Readonly<Record<string, unknown>>> {
    return (await ask(z.record(z.string(), z.unknown()).nullable(), 'action-get', [])) ?? {};
  },

  async actionSet(results: Readonly<Record<string, string>>): Promise<void> {
    const values = Object.entries(results).map(([key, value]) => `${key}=${value}`);
    if (values.length > 0) await run('action-set', ['--', ...values]);
  },

  async actionFail(message: string): Promise<void> {
    await run('action-fail', ['--', message]);
  },

  async jujuLog(level: LogLevel, message: string): Promise<void> {
    await run('juju-log', ['--log-level', level, '--', message]);
  },
};

export type HookTools = typeof tools;

/** Runs a tool that answers in JSON. */
async function ask<T>(schema: z.ZodType<T>, tool: string, args: readonly string[]): Promise<T> {
  const output = await run(tool, ['--format=json', ...args]);
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch (cause) {
    throw new HookToolError(tool, 0, 'its answer is not JSON', { cause });
  }
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new HookToolError(tool, 0, `an answer of an unknown form: ${z.prettifyError(parsed.error)}`);
}

async function run(tool: string, args: readonly string[], input?: string): Promise<string> {
  const result = await execa(tool, args, {
    reject: false,
    timeout: TOOL_TIMEOUT,
    stripFinalNewline: true,
    ...(input === undefined ? { stdin: 'ignore' } : { input }),
  });
  if (!result.failed) return result.stdout;
  if (result.exitCode === undefined) {
    throw new HookToolError(
      tool,
      undefined,
      result.timedOut ? `no answer in ${TOOL_TIMEOUT / 1000} s` : (result.shortMessage ?? 'it cannot be run'),
    );
  }
  const message = result.stderr.replace(/^ERROR /, '').trim();
  if (/relation not found/.test(message)) throw new RelationNotFoundError(tool, result.exitCode, message);
  if (tool.startsWith('secret-') && /not found|permission denied/.test(message)) {
    throw new SecretNotFoundError(tool, result.exitCode, message);
  }
  throw new HookToolError(tool, result.exitCode, message);
}

/** Hands secret values over in files that only root can read, and takes the files away again. */
async function withSecretFiles<T>(
  content: Readonly<Record<string, Redacted>>,
  use: (values: readonly string[]) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'juju-secret-'));
  try {
    const values = await Promise.all(
      Object.entries(content).map(async ([key, value]) => {
        const file = join(folder, key);
        await writeFile(file, value.reveal(), { mode: 0o600 });
        return `${key}#file=${file}`;
      }),
    );
    return await use(values);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
