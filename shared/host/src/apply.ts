import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createTwoFilesPatch } from 'diff';
import {
  heldPackages,
  holdPackages,
  installedPackages,
  installPackages,
  packagesBroughtBy,
  removablePackages,
  removePackages,
  removePpa,
  setSource,
  sourceFile,
  unneededPackages,
} from './apt.ts';
import { HostError } from './errors.ts';
import { deleteFile, isAsWanted, readFileIfExists, replaceFile, textOf, type WantedFile } from './files.ts';
import { isModuleLoaded, loadModule } from './kernel.ts';
import { digestOf, Memory } from './memory.ts';
import { inContainer } from './os.ts';
import {
  resourceId,
  type AbsentSysctlResource,
  type FileResource,
  type KernelModuleResource,
  type Resource,
  type ServiceResource,
  type SnapResource,
  type SourceResource,
  type SysctlResource,
  type UserResource,
} from './resources.ts';
import { run, tryRun } from './run.ts';
import { holdSnap, installedSnap, installSnap, refreshSnap, removeSnap } from './snap.ts';
import { hideCredentials, parseSource } from './source.ts';
import { controlService, schedule, serviceStates } from './systemd.ts';
import { addToGroups, addUser, groupsOf, hasUser, removeUser } from './users.ts';

/** One thing that was (or would be) changed. */
export interface Change {
  /** The resource: `file:/etc/haproxy/haproxy.cfg`. */
  readonly what: string;
  /** As text; for a file without secrets, a diff. */
  readonly how: string;
}

/** What differs on the machine from what it should be, and how it is mended. */
interface Difference {
  readonly how: string;
  mend(): Promise<void>;
}

/** Where a machine's memory is kept. */
export interface Place {
  /** A folder for this purpose alone, which need not exist. */
  readonly stateDirectory: string;
}

/** Changes a machine: applies the resources in order, and changes only what differs. */
export const machine = {
  /** Applies the resources. @throws {HostError} at the first one that fails; earlier ones stay applied. */
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

  /** Returns what `apply` would change, and changes nothing. */
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

  schedule,
};

/** @param changing files that a preview would have changed before this resource */
async function differenceOf(
  resource: Resource,
  memory: Memory,
  changing: ReadonlySet<string>,
): Promise<Difference | undefined> {
  switch (resource.kind) {
    case 'source':
      return sourceDifference(resource, memory);
    case 'packages': {
      const installed = await installedPackages(resource.names);
      const { names, version, held = false } = resource;
      const missing = names.filter((name) => !installed.has(name));
      const other = names.filter(
        (name) => version !== undefined && installed.has(name) && installed.get(name) !== version,
      );
      const alreadyHeld = held ? await heldPackages(names) : new Set();
      const unheld = held ? names.filter((name) => !alreadyHeld.has(name)) : [];
      if (missing.length + other.length + unheld.length === 0) return undefined;
      return {
        how: [
          ...(missing.length > 0 ? [`installed ${missing.join(', ')}`] : []),
          ...(other.length > 0 ? [`upgraded ${other.join(', ')} to ${version}`] : []),
          ...(unheld.length > 0 ? [`held ${unheld.join(', ')}`] : []),
        ].join(', '),
        mend: async () => {
          await memory.rememberPackages(missing);
          if (missing.length > 0) await memory.rememberBrought(await packagesBroughtBy(missing));
          if (missing.length + other.length > 0) await installPackages([...missing, ...other], version, held);
          await memory.rememberHeld(unheld);
          if (held) await holdPackages(names);
        },
      };
    }
    case 'absent-packages': {
      const installed = await installedPackages(resource.names);
      const here = resource.names.filter((name) => installed.has(name));
      const ours = here.filter((name) => memory.applied.packages.includes(name));
      const removable = await removablePackages(ours, memory.applied.brought);
      const unneeded = await unneededPackages(memory.applied.brought, removable);
      const all = [...removable, ...unneeded];
      const stays = here.filter((name) => !removable.includes(name));
      const held = await heldPackages(
        stays.filter((name) => ours.includes(name) || memory.applied.held.includes(name)),
      );
      if (all.length + held.size === 0) return undefined;
      return {
        how: [
          ...(all.length > 0 ? [`removed ${all.join(', ')}`] : []),
          ...(held.size > 0 ? [`holds ${[...held].join(', ')} no more`] : []),
        ].join(', '),
        mend: async () => {
          if (all.length > 0) await removePackages(all);
          await holdPackages([...held], 'unhold');
        },
      };
    }
    case 'snap':
      return snapDifference(resource);
    case 'absent-snap': {
      if (!(await installedSnap(resource.name))) return undefined;
      return { how: 'removed', mend: () => removeSnap(resource.name) };
    }
    case 'file': {
      if (await isAsWanted(resource)) return undefined;
      return { how: await fileDifference(resource), mend: () => replaceFile(resource) };
    }
    case 'absent-file': {
      if ((await readFileIfExists(resource.path)) === undefined) return undefined;
      return { how: 'deleted', mend: () => deleteFile(resource.path) };
    }
    case 'sysctl':
      return sysctlDifference(resource);
    case 'absent-sysctl':
      return absentSysctlDifference(resource);
    case 'kernel-module':
      return moduleDifference(resource);
    case 'user':
      return userDifference(resource, memory);
    case 'absent-user': {
      const isOurs = memory.applied.users.includes(resource.name);
      if (!isOurs || !(await hasUser(resource.name))) return undefined;
      return { how: 'removed', mend: () => removeUser(resource.name) };
    }
    case 'service':
      return serviceDifference(resource, memory, changing);
    case 'step': {
      const digest = resource.inputs && digestOf(resource.inputs);
      if (digest !== undefined && memory.applied.steps[resource.id] === digest) return undefined;
      return {
        how: 'done',
        mend: async () => {
          await resource.run();
          if (digest !== undefined) await memory.remember('steps', resource.id, digest);
        },
      };
    }
  }
}

async function sourceDifference(
  { name, source: text }: SourceResource,
  memory: Memory,
): Promise<Difference | undefined> {
  const source = parseSource(text);
  const before = memory.applied.sources[name];
  const hasFile = existsSync(sourceFile(name));
  if ((before ?? '') === text.trim() && hasFile === (source.kind === 'deb')) return undefined;
  return {
    how: source.kind === 'none' ? 'taken away' : `set to ${hideCredentials(firstLine(text))}`,
    mend: async () => {
      await setSource(name, source);
      const old = parseSource(before ?? '');
      if (old.kind === 'ppa' && before !== text.trim()) await removePpa(old.owner, old.name);
      await memory.remember('sources', name, text.trim());
    },
  };
}

async function snapDifference({ name, channel, version }: SnapResource): Promise<Difference | undefined> {
  const installed = await installedSnap(name);
  const isOther = installed && version !== undefined && installed.version !== version;
  if (installed?.isHeld && !isOther) return undefined;
  return {
    how: [
      ...(installed ? [] : [`installed from ${channel}`]),
      ...(isOther ? [`refreshed to ${version}`] : []),
      ...(installed?.isHeld ? [] : ['held']),
    ].join(', '),
    mend: async () => {
      if (!installed) await installSnap(name, channel);
      // First: until it is held snapd may refresh it at any time.
      if (!installed?.isHeld) await holdSnap(name);
      if (isOther) await refreshSnap(name, channel, version);
    },
  };
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
    path: sysctlFile(name),
    content: entries.map(([key, value]) => `${key} = ${value}\n`).join(''),
    mode: 0o644,
  };
  const wrong: (readonly [string, string])[] = [];
  for (const [key, value] of entries) {
    if ((await readFileIfExists(parameterFile(key)))?.trim().replaceAll(/\s+/g, ' ') !== value)
      wrong.push([key, value]);
  }
  if (wrong.length === 0 && (await isAsWanted(file))) return undefined;
  return {
    how: `set ${entries.map(([key, value]) => `${key}=${value}`).join(' ')}`,
    mend: async () => {
      for (const [key, value] of wrong) await setParameter(key, value);
      await replaceFile(file);
    },
  };
}

async function absentSysctlDifference({
  name,
  values,
}: AbsentSysctlResource): Promise<Difference | undefined> {
  const path = sysctlFile(name);
  if (!existsSync(path)) return undefined;
  return {
    how: 'deleted',
    mend: async () => {
      for (const [key, value] of Object.entries(values)) {
        const current = await readFileIfExists(parameterFile(key));
        // One that nobody may set here has stayed as it was.
        if (current !== undefined && current.trim() !== value) await setParameter(key, value);
      }
      await deleteFile(path);
      await run(['systemctl', 'restart', 'systemd-sysctl.service']);
    },
  };
}

function sysctlFile(name: string): string {
  return `/etc/sysctl.d/${name}.conf`;
}

function parameterFile(key: string): string {
  return `/proc/sys/${key.replaceAll('.', '/')}`;
}

async function setParameter(key: string, value: string): Promise<void> {
  try {
    await writeFile(parameterFile(key), value, { flag: 'r+' });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new HostError('kernel', 'user', `this machine does not let ${key} be ${value}: ${reason}`, {
      cause: error,
    });
  }
}

async function moduleDifference({ name }: KernelModuleResource): Promise<Difference | undefined> {
  // A container uses its host's kernel, and may not change it.
  if (inContainer()) return undefined;
  const file: WantedFile = { path: `/etc/modules-load.d/${name}.conf`, content: `${name}\n`, mode: 0o644 };
  const isLoaded = await isModuleLoaded(name);
  if (isLoaded && (await isAsWanted(file))) return undefined;
  return {
    how: isLoaded ? 'loaded at every boot' : 'loaded',
    mend: async () => {
      if (!isLoaded) await loadModule(name);
      await replaceFile(file);
    },
  };
}

async function userDifference(
  { name, home = '/nonexistent', groups = [] }: UserResource,
  memory: Memory,
): Promise<Difference | undefined> {
  const isThere = await hasUser(name);
  const current = await groupsOf(name);
  const missing = groups.filter((group) => !current.includes(group));
  if (isThere && missing.length === 0) return undefined;
  return {
    how: [
      ...(isThere ? [] : ['made']),
      ...(missing.length > 0 ? [`added to ${missing.join(', ')}`] : []),
    ].join(', '),
    mend: async () => {
      // First, so that one that a crash leaves behind is removed with the charm.
      if (!isThere) {
        await memory.rememberUser(name);
        await addUser(name, home);
      }
      if (missing.length > 0) await addToGroups(name, missing);
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
      ...(state.isEnabled === resource.enabled ? [] : [resource.enabled ? 'enabled' : 'disabled']),
    ];
    if (!state.isInstalled || wrong.length === 0) return undefined;
    return {
      how: wrong.join(', '),
      mend: async () => {
        if (state.isRunning) await resource.stop?.();
        await run(['systemctl', 'stop', `${name}.service`]);
        // One that had to be killed has failed by that.
        await tryRun(['systemctl', 'reset-failed', `${name}.service`]);
        if (state.isEnabled !== resource.enabled)
          await run(['systemctl', resource.enabled ? 'enable' : 'disable', '--quiet', `${name}.service`]);
      },
    };
  }
  const digest = digestOf(await Promise.all(after.map(readFileIfExists)));
  // What reads none of our files need not be told of any, whoever started it.
  const isStale =
    after.length > 0 &&
    (memory.applied.services[name] !== digest || after.some((path) => changing.has(path)));
  const verb = state.isRunning ? (isStale ? onChange : undefined) : 'start';
  const enable = resource.enabled && !state.isEnabled;
  if (verb === undefined && !enable) return undefined;
  return {
    how: [...(verb === undefined ? [] : [PAST[verb]]), ...(enable ? ['enabled'] : [])].join(', '),
    mend: async () => {
      if (state.isMasked) await run(['systemctl', 'unmask', `${name}.service`]);
      if (enable) await run(['systemctl', 'enable', '--quiet', `${name}.service`]);
      if (verb === undefined) return;
      await controlService(verb, name);
      await memory.remember('services', name, digest);
    },
  };
}

const PAST = { start: 'started', restart: 'restarted', reload: 'reloaded' } as const;

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
