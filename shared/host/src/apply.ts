import { readFile, rm, writeFile } from 'node:fs/promises';
import { createTwoFilesPatch } from 'diff';
import { installedPackages, installPackages, removePackages, setSource, sourceFile } from './apt.ts';
import { isAsWanted, readFileIfExists, replaceFile, textOf, type WantedFile } from './files.ts';
import { digestOf, Memory } from './memory.ts';
import {
  resourceId,
  type FileResource,
  type Resource,
  type ServiceResource,
  type SysctlResource,
} from './resources.ts';
import { run } from './run.ts';
import { parseSource } from './source.ts';
import { controlService, serviceStates } from './systemd.ts';

/** One thing that was (or would be) changed. */
export interface Change {
  /** The resource: `file:/etc/haproxy/haproxy.cfg`. */
  readonly what: string;
  /** In words; for a file that is no secret, a diff. */
  readonly how: string;
}

/** What differs on the machine from what it should be, and how it is mended. */
interface Difference {
  readonly how: string;
  mend(): Promise<void>;
}

/** Where a machine's memory is kept. */
export interface Place {
  /** A folder of its own, which may be missing. */
  readonly stateDirectory: string;
}

/** How a charm changes its machine: the resources in their order, changing only what differs. */
export const machine = {
  /** Brings the resources about. @throws {HostError} at the first that cannot be; what came before it stays. */
  async apply(resources: readonly Resource[], { stateDirectory }: Place): Promise<readonly Change[]> {
    const memory = await Memory.open(stateDirectory);
    const changes: Change[] = [];
    for (const resource of resources) {
      const difference = await differenceOf(resource, memory, new Set());
      if (!difference) continue;
      await difference.mend();
      changes.push({ what: resourceId(resource), how: difference.how });
    }
    return changes;
  },

  /** Says what `apply` would change, and changes nothing. */
  async preview(resources: readonly Resource[], { stateDirectory }: Place): Promise<readonly Change[]> {
    const memory = await Memory.open(stateDirectory);
    const changes: Change[] = [];
    const changing = new Set<string>();
    for (const resource of resources) {
      const difference = await differenceOf(resource, memory, changing);
      if (!difference) continue;
      changes.push({ what: resourceId(resource), how: difference.how });
      if (resource.kind === 'file') changing.add(resource.path);
    }
    return changes;
  },
};

/** @param changing files that a preview would have changed before this resource */
async function differenceOf(
  resource: Resource,
  memory: Memory,
  changing: ReadonlySet<string>,
): Promise<Difference | undefined> {
  switch (resource.kind) {
    case 'source': {
      const source = parseSource(resource.source);
      const digest = digestOf(source);
      const isThere =
        source.kind !== 'deb' || (await readFileIfExists(sourceFile(resource.name))) !== undefined;
      if (isThere && memory.applied.sources[resource.name] === digest) return undefined;
      return {
        how: source.kind === 'none' ? 'taken away' : `set to ${firstLine(resource.source)}`,
        mend: async () => {
          await setSource(resource.name, source);
          await memory.remember('sources', resource.name, digest);
        },
      };
    }
    case 'packages': {
      const installed = await installedPackages(resource.names);
      const missing = resource.names.filter((name) => !installed.has(name));
      if (missing.length === 0) return undefined;
      return {
        how: `installed ${missing.join(', ')}`,
        mend: async () => {
          await memory.rememberPackages(missing);
          await installPackages(missing);
        },
      };
    }
    case 'absent-packages': {
      const installed = await installedPackages(resource.names);
      const ours = resource.names.filter(
        (name) => installed.has(name) && memory.applied.packages.includes(name),
      );
      if (ours.length === 0) return undefined;
      return { how: `removed ${ours.join(', ')}`, mend: () => removePackages(ours) };
    }
    case 'file': {
      if (await isAsWanted(resource)) return undefined;
      return { how: await fileDifference(resource), mend: () => replaceFile(resource) };
    }
    case 'absent-file': {
      if ((await readFileIfExists(resource.path)) === undefined) return undefined;
      return { how: 'deleted', mend: () => rm(resource.path, { force: true }) };
    }
    case 'sysctl':
      return sysctlDifference(resource);
    case 'service':
      return serviceDifference(resource, memory, changing);
    case 'step': {
      const digest = digestOf(resource.inputs);
      if (resource.inputs && memory.applied.steps[resource.id] === digest) return undefined;
      return {
        how: 'done',
        mend: async () => {
          await resource.run();
          if (resource.inputs) await memory.remember('steps', resource.id, digest);
        },
      };
    }
  }
}

async function fileDifference(resource: FileResource): Promise<string> {
  const current = await readFileIfExists(resource.path);
  if (typeof resource.content !== 'string')
    return current === undefined ? 'written' : 'rewritten; its content is secret';
  if (current === resource.content) return 'owner and mode set';
  const patch = createTwoFilesPatch('before', 'after', current ?? '', textOf(resource.content), '', '', {
    context: 1,
  });
  return `\n${patch.split('\n').slice(1).join('\n').trimEnd()}`;
}

async function sysctlDifference({ name, values }: SysctlResource): Promise<Difference | undefined> {
  const entries = Object.entries(values);
  const file: WantedFile = {
    path: `/etc/sysctl.d/${name}.conf`,
    content: entries.map(([key, value]) => `${key} = ${value}\n`).join(''),
    mode: 0o644,
  };
  const parameter = (key: string): string => `/proc/sys/${key.replaceAll('.', '/')}`;
  const wrong: (readonly [string, string])[] = [];
  for (const [key, value] of entries) {
    if ((await readFile(parameter(key), 'utf8')).trim() !== value) wrong.push([key, value]);
  }
  if (wrong.length === 0 && (await isAsWanted(file))) return undefined;
  return {
    how: `set ${entries.map(([key, value]) => `${key}=${value}`).join(' ')}`,
    mend: async () => {
      for (const [key, value] of wrong) await writeFile(parameter(key), value);
      await replaceFile(file);
    },
  };
}

async function serviceDifference(
  resource: ServiceResource,
  memory: Memory,
  changing: ReadonlySet<string>,
): Promise<Difference | undefined> {
  const { name, after = [], onChange = 'restart' } = resource;
  const [state] = await serviceStates([name]);
  if (!state) return undefined;
  if (resource.state === 'stopped') {
    const wrong = [
      ...(state.isRunning || state.hasFailed ? ['stopped'] : []),
      ...(state.isEnabled ? ['disabled'] : []),
    ];
    if (wrong.length === 0) return undefined;
    return {
      how: wrong.join(', '),
      mend: async () => void (await run(['systemctl', 'disable', '--now', `${name}.service`])),
    };
  }
  const digest = digestOf(await Promise.all(after.map(readFileIfExists)));
  const isStale = memory.applied.services[name] !== digest || after.some((path) => changing.has(path));
  const verb = state.isRunning ? (isStale ? onChange : undefined) : 'start';
  const enable = resource.enabled && !state.isEnabled;
  if (verb === undefined && !enable) return undefined;
  return {
    how: [...(verb === undefined ? [] : [PAST[verb]]), ...(enable ? ['enabled'] : [])].join(', '),
    mend: async () => {
      if (state.isMasked) await run(['systemctl', 'unmask', `${name}.service`]);
      if (enable) await run(['systemctl', 'enable', '--quiet', `${name}.service`]);
      if (verb === undefined) return;
      if (state.hasFailed) await run(['systemctl', 'reset-failed', `${name}.service`]);
      await controlService(verb, name);
      await memory.remember('services', name, digest);
    },
  };
}

const PAST = { start: 'started', restart: 'restarted', reload: 'reloaded' } as const;

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
