import { z } from 'zod';
import {
  AppStatusAnswer,
  CloudAnswer,
  Config,
  GoalAnswer,
  Network,
  SecretInfo,
  StatusAnswer,
  Strings,
  Texts,
  type CloudSpec,
  type GoalState,
  type NetworkInfo,
  type SecretMetadata,
  type ShownStatus,
} from './answers.ts';
import type { RawBag } from './databag.ts';
import {
  HookToolError,
  NotLeaderError,
  RelationNotFoundError,
  SecretNotFoundError,
  ToolMissingError,
  ToolTimeoutError,
  type ToolCall,
} from './errors.ts';
import { LONGEST_WORD, type ToolRunner } from './process.ts';
import { Redacted } from './redacted.ts';
import { secretFolder, withSecretFiles, type SecretContent } from './secret-files.ts';
import type { Rotation } from './secret.ts';
import type { Status, StatusLevel } from './status.ts';

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

/** A level of `juju debug-log`. */
export type LogLevel = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR';

type SecretName = { readonly uri: string } | { readonly label: string };

/**
 * Juju's hook tools, one function each, with their answers parsed. Nothing is cached here.
 * Every function throws {@link HookToolError} when Juju refuses, or one of its subclasses where they say so,
 * {@link ToolTimeoutError} and {@link ToolMissingError} among them.
 * The tools are described at https://documentation.ubuntu.com/juju/3.6/reference/hook-command/. Those for
 * containers and Kubernetes (`pod-spec-set` and its like) are left out.
 *
 * @param during the unit and the hook, for errors
 * @param stateDirectory the unit's own folder, where secrets that are written pass through; without it none can be
 */
export function hookTools(
  runTool: ToolRunner,
  { during, stateDirectory }: { readonly during?: string; readonly stateDirectory?: string } = {},
) {
  const secretFiles = stateDirectory === undefined ? undefined : secretFolder(stateDirectory);

  async function run(tool: string, args: readonly string[], more: More = {}): Promise<string> {
    const { stdout, stderr, exitCode, problem } = await runTool(tool, args, more.input);
    if (exitCode === 0) return stdout;
    throw toolError(callOf(tool, exitCode, more), stderr.replace(/^ERROR /, '').trim(), problem);
  }

  function callOf(tool: string, exitCode: number | undefined, { relation }: More = {}): ToolCall {
    return {
      tool,
      ...(exitCode !== undefined && { exitCode }),
      ...(relation !== undefined && { relation }),
      ...(during !== undefined && { during }),
    };
  }

  /** Runs a tool that answers in JSON. */
  async function ask<T>(
    schema: z.ZodType<T>,
    tool: string,
    args: readonly string[],
    more?: More,
  ): Promise<T> {
    const output = await run(tool, ['--format=json', ...args], more);
    let answer: unknown;
    try {
      answer = JSON.parse(output);
    } catch (cause) {
      throw new HookToolError(callOf(tool, 0, more), 'its answer is not JSON', { cause });
    }
    const parsed = schema.safeParse(answer);
    if (parsed.success) return parsed.data;
    throw new HookToolError(
      callOf(tool, 0, more),
      `an answer of an unknown form: ${z.prettifyError(parsed.error)}`,
    );
  }

  const about = (relation: number, ...args: readonly string[]): [readonly string[], More] => [
    ['-r', String(relation), ...args],
    { relation },
  ];

  return {
    /** The options that have a value. */
    async configGet(): Promise<Readonly<Record<string, string | number | boolean>>> {
      return (await ask(Config, 'config-get', [])) ?? {};
    },

    async isLeader(): Promise<boolean> {
      return ask(z.boolean(), 'is-leader', []);
    },

    /** Ids as Juju prints them: `db:7`. A relation that is being broken is not listed. */
    async relationIds(endpoint: string): Promise<readonly string[]> {
      return ask(Strings, 'relation-ids', [endpoint]);
    },

    /** @throws {RelationNotFoundError} */
    async relationUnits(relation: number): Promise<readonly string[]> {
      return ask(Strings, 'relation-list', ...about(relation));
    },

    /** @throws {RelationNotFoundError} */
    async relationApp(relation: number): Promise<string> {
      return ask(z.string(), 'relation-list', ...about(relation, '--app'));
    },

    /**
     * The databag of a unit (`mysql/0`), or of an application (`mysql`).
     * @throws {RelationNotFoundError}
     * @throws {NotLeaderError} if it is this application's own, and this unit may not read it.
     */
    async relationGet(relation: number, owner: string): Promise<RawBag> {
      const app = owner.includes('/') ? [] : ['--app'];
      return ask(Texts, 'relation-get', ...about(relation, ...app, '-', owner));
    },

    /**
     * Sets keys of an own databag; `""` deletes a key. The values go through stdin.
     * @throws {RelationNotFoundError}
     * @throws {NotLeaderError} for the application's databag, on any unit but the leader.
     */
    async relationSet(relation: number, bag: 'app' | 'unit', values: RawBag): Promise<void> {
      const app = bag === 'app' ? ['--app'] : [];
      const [args, more] = about(relation, ...app, '--file', '-');
      await run('relation-set', args, { ...more, input: yamlMap(values) });
    },

    /** UUID of the model at the other end. @throws {RelationNotFoundError} */
    async relationModel(relation: number): Promise<string> {
      const { uuid } = await ask(z.object({ uuid: z.string() }), 'relation-model-get', ...about(relation));
      return uuid;
    },

    /** @param relation asks for the addresses of this relation, if the model has several networks */
    async networkGet(binding: string, relation?: number): Promise<NetworkInfo> {
      const which = relation === undefined ? [] : ['-r', String(relation)];
      const network = await ask(Network, 'network-get', [binding, ...which]);
      const interfaces = (network['bind-addresses'] ?? []).map((item) => ({
        name: item['interface-name'] ?? '',
        addresses: (item.addresses ?? []).map(({ value, cidr, hostname }) => ({
          address: value,
          ...(cidr !== undefined && cidr !== '' && { cidr }),
          ...(hostname !== undefined && hostname !== '' && { hostname }),
        })),
      }));
      return {
        bindAddresses: interfaces.flatMap(({ addresses }) => addresses.map(({ address }) => address)),
        ingressAddresses: network['ingress-addresses'] ?? [],
        egressSubnets: network['egress-subnets'] ?? [],
        interfaces,
      };
    },

    /** `public-address` is where users reach the machine. */
    async unitGet(what: 'private-address' | 'public-address'): Promise<string> {
      return ask(z.string(), 'unit-get', [what]);
    },

    async statusGet(): Promise<ShownStatus> {
      return shownStatus(await ask(StatusAnswer, 'status-get', ['--include-data']));
    },

    /** The status of the application, and what its units say. @throws {NotLeaderError} */
    async appStatusGet(): Promise<ShownStatus & { readonly units: Readonly<Record<string, ShownStatus>> }> {
      const answer = await ask(AppStatusAnswer, 'status-get', ['--include-data', '--application']);
      const { units, ...own } = answer['application-status'];
      const shown = Object.entries(units ?? {}).map(([name, status]) => [name, shownStatus(status)] as const);
      return { ...shownStatus(own), units: Object.fromEntries(shown) };
    },

    /** Juju shows it at once, even if the hook fails. @throws {NotLeaderError} for the application's status */
    async statusSet(status: Status, of: 'unit' | 'application' = 'unit'): Promise<void> {
      const level: StatusLevel = status.level;
      const application = of === 'application' ? ['--application'] : [];
      await run('status-set', [...application, '--', level, word(status.message)]);
    },

    async applicationVersionSet(version: string): Promise<void> {
      await run('application-version-set', ['--', version]);
    },

    /** `["80/tcp", "8080-8088/udp", "icmp"]`, without the ports that this hook has opened. */
    async openedPorts(): Promise<readonly string[]> {
      return ask(Strings, 'opened-ports', []);
    },

    /** The same, with the endpoints for whose networks each port is open; `["*"]` means all of them. */
    async openedPortsByEndpoint(): Promise<Readonly<Record<string, readonly string[]>>> {
      const lines = await ask(Strings, 'opened-ports', ['--endpoints']);
      return Object.fromEntries(
        lines.map((line) => {
          const [port = '', endpoints = ''] = line.split(/ \(|\)$/);
          return [port, endpoints.split(/, ?/)];
        }),
      );
    },

    /**
     * @param port `80/tcp`, `8080-8088/udp` or `icmp`
     * @param endpoints for whose networks; if absent, for all
     */
    async openPort(port: string, endpoints: readonly string[] = []): Promise<void> {
      await run('open-port', [port, ...only(endpoints)]);
    },

    async closePort(port: string, endpoints: readonly string[] = []): Promise<void> {
      await run('close-port', [port, ...only(endpoints)]);
    },

    /** What this unit keeps in the controller. */
    async stateGet(): Promise<RawBag> {
      return ask(Texts, 'state-get', []);
    },

    /** The values go through stdin. Juju takes keys of up to 256 bytes and values of up to 64 KiB. */
    async stateSet(values: RawBag): Promise<void> {
      await run('state-set', ['--file', '-'], { input: yamlMap(values) });
    },

    async stateDelete(key: string): Promise<void> {
      await run('state-delete', [key]);
    },

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

    /** The instances of a storage, `["data/0"]`, or of all. */
    async storageList(name?: string): Promise<readonly string[]> {
      return ask(Strings, 'storage-list', name === undefined ? [] : [name]);
    },

    async storageGet(instance: string): Promise<{ readonly kind: string; readonly location: string }> {
      return ask(z.object({ kind: z.string(), location: z.string() }), 'storage-get', ['-s', instance]);
    },

    /** Asks for more instances of a storage. They come later, each with its `storage-attached` hook. */
    async storageAdd(name: string, count = 1): Promise<void> {
      await run('storage-add', [`${name}=${count}`]);
    },

    /** The path of the file that the user gave as a resource. */
    async resourceGet(name: string): Promise<string> {
      return (await run('resource-get', [name])).trim();
    },

    async goalState(): Promise<GoalState> {
      const { units, relations } = await ask(GoalAnswer, 'goal-state', []);
      return { units: units ?? {}, relations: relations ?? {} };
    },

    /** @throws {HookToolError} `permission denied`, unless the user said `juju trust`. */
    async credentialGet(): Promise<CloudSpec> {
      const answer = await ask(CloudAnswer, 'credential-get', []);
      const { type, name, region, endpoint, credential } = answer;
      const identityEndpoint = answer['identity-endpoint'];
      const storageEndpoint = answer['storage-endpoint'];
      const authType = credential?.['auth-type'];
      return {
        type,
        name,
        ...(region !== undefined && { region }),
        ...(endpoint !== undefined && { endpoint }),
        ...(identityEndpoint !== undefined && { identityEndpoint }),
        ...(storageEndpoint !== undefined && { storageEndpoint }),
        caCertificates: answer.cacertificates ?? [],
        skipsTlsVerify: answer['skip-tls-verify'],
        isControllerCloud: answer['is-controller-cloud'],
        ...(authType !== undefined && { authType }),
        attributes: Object.fromEntries(
          Object.entries(credential?.attrs ?? {}).map(([key, value]) => [key, new Redacted(value)]),
        ),
      };
    },

    /**
     * Reboots the machine after the hook; or `now`, which kills the hook, and Juju runs it again after the reboot.
     * Not for actions.
     */
    async reboot(when: 'after-hook' | 'now'): Promise<void> {
      await run('juju-reboot', when === 'now' ? ['--now'] : []);
    },

    /**
     * Juju 3.6 only: what the leader told all units. Use the application's databag of a peer relation instead.
     * @throws {ToolMissingError}
     */
    async leaderGet(): Promise<RawBag> {
      return ask(Texts, 'leader-get', []);
    },

    /**
     * Juju 3.6 only. It takes effect at once, even if the hook fails.
     * @throws {NotLeaderError}
     * @throws {ToolMissingError}
     */
    async leaderSet(values: RawBag): Promise<void> {
      await run('leader-set', ['--', ...pairs(values)]);
    },

    /** Juju 3.6 only. @throws {ToolMissingError} */
    async payloadRegister(
      type: string,
      name: string,
      id: string,
      tags: readonly string[] = [],
    ): Promise<void> {
      await run('payload-register', ['--', type, name, id, ...tags]);
    },

    /** Juju 3.6 only. @throws {ToolMissingError} */
    async payloadUnregister(name: string, id: string): Promise<void> {
      await run('payload-unregister', ['--', name, id]);
    },

    /** Juju 3.6 only. @throws {ToolMissingError} */
    async payloadStatusSet(
      name: string,
      id: string,
      status: 'starting' | 'started' | 'stopping' | 'stopped',
    ): Promise<void> {
      await run('payload-status-set', ['--', name, id, status]);
    },

    async actionGet(): Promise<Readonly<Record<string, unknown>>> {
      return (await ask(z.record(z.string(), z.unknown()).nullable(), 'action-get', [])) ?? {};
    },

    /** Sets results. A result of more than 128 KiB is cut, because no program takes a longer argument. */
    async actionSet(results: Readonly<Record<string, string>>): Promise<void> {
      const values = pairs(results).map(word);
      if (values.length > 0) await run('action-set', ['--', ...values]);
    },

    async actionFail(message: string): Promise<void> {
      await run('action-fail', ['--', word(message)]);
    },

    /** Shows a message to whoever waits for the action, at once. */
    async actionLog(message: string): Promise<void> {
      await run('action-log', ['--', word(message)]);
    },

    /** Writes to the log. A message of more than 128 KiB is cut, because no program takes a longer argument. */
    async jujuLog(level: LogLevel, message: string): Promise<void> {
      await run('juju-log', ['--log-level', level, '--', word(message)]);
    },
  };
}

export type HookTools = ReturnType<typeof hookTools>;

interface More {
  readonly input?: string;
  readonly relation?: number;
}

function shownStatus({ status, message }: z.infer<typeof StatusAnswer>): ShownStatus {
  return { level: status, message };
}

function toolError(
  call: ToolCall,
  message: string,
  problem: 'missing' | 'timeout' | 'killed' | undefined,
): Error {
  if (problem === 'missing') return new ToolMissingError(call, 'this Juju does not have it');
  if (problem === 'timeout') return new ToolTimeoutError(call, 'no answer in time');
  if (problem === 'killed') return new HookToolError(call, 'it was killed');
  if (/relation not found/.test(message)) return new RelationNotFoundError(call, message);
  if (/not the leader|cannot write (relation|leadership) settings/.test(message))
    return new NotLeaderError(call, message);
  if (call.tool.startsWith('secret-') && /not found|permission denied/.test(message))
    return new SecretNotFoundError(call, message);
  if (call.tool === 'relation-get' && /permission denied/.test(message))
    return new NotLeaderError(call, message);
  return new HookToolError(call, message);
}

/** A map of texts in YAML. JSON is YAML, but for control characters that JSON may leave as they are. */
function yamlMap(values: RawBag): string {
  return JSON.stringify(values).replaceAll(
    /[\u007f-\u009f\u2028\u2029\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A text for people as one word of a command line, which has no room for all of a long one, nor for a zero byte. */
function word(message: string): string {
  const bytes = Buffer.from(message.replaceAll('\0', '\ufffd'));
  if (bytes.length <= LONGEST_WORD) return bytes.toString();
  const room = LONGEST_WORD - 40;
  const shown = bytes
    .subarray(0, room)
    .toString()
    .replace(/\ufffd+$/, '');
  return `${shown}… (${bytes.length - Buffer.byteLength(shown)} bytes more)`;
}

function pairs(values: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(values).map(([key, value]) => `${key}=${value}`);
}

function only(endpoints: readonly string[]): readonly string[] {
  return endpoints.length > 0 ? ['--endpoints', endpoints.join(',')] : [];
}

function secretFlags({ label, description, rotate, expire }: SecretSettings): readonly string[] {
  return Object.entries({ label, description, rotate, expire }).flatMap(([flag, value]) =>
    value === undefined ? [] : [`--${flag}`, value],
  );
}
