import type { WantedFile } from './files.ts';

/** One thing about a machine, as it should be. Plain data, but for what a step runs. */
export type Resource =
  | SourceResource
  | PackagesResource
  | AbsentPackagesResource
  | FileResource
  | AbsentFileResource
  | SnapResource
  | AbsentSnapResource
  | SysctlResource
  | AbsentSysctlResource
  | KernelModuleResource
  | UserResource
  | AbsentUserResource
  | ServiceResource
  | StepResource;

/** An apt source. */
export interface SourceResource {
  readonly kind: 'source';
  /** Name of the file in sources.list.d. */
  readonly name: string;
  /** As the user writes it: see parseSource. */
  readonly source: string;
}

/** Debian packages that are installed. Those that already are stay as they are, unless a version is wanted. */
export interface PackagesResource {
  readonly kind: 'packages';
  readonly names: readonly string[];
  /** The version that every one of them is to have. */
  readonly version?: string;
  /** Whether an upgrade of the whole machine leaves them alone. */
  readonly held?: boolean;
}

/**
 * Debian packages that are not installed; only those that an earlier `packages` of the same charm brought are removed,
 * with their configuration, and with what came along because of them and nothing else needs. What something else needs
 * now stays, and what a machine cannot do without.
 */
export interface AbsentPackagesResource {
  readonly kind: 'absent-packages';
  readonly names: readonly string[];
}

/** A snap that is installed, and that snapd does not refresh by itself. One that already is stays as it is, unless a version is wanted. */
export interface SnapResource {
  readonly kind: 'snap';
  readonly name: string;
  /** `3.7/stable` */
  readonly channel: string;
  /** The version that it is to have, from this channel. */
  readonly version?: string;
}

/** A snap that is not installed, whoever installed it; nothing of its data stays. */
export interface AbsentSnapResource {
  readonly kind: 'absent-snap';
  readonly name: string;
}

/** A file with its content, owner and mode, written in one step. */
export interface FileResource extends WantedFile {
  readonly kind: 'file';
}

/** A file that is not there. */
export interface AbsentFileResource {
  readonly kind: 'absent-file';
  readonly path: string;
}

/** Kernel parameters, now and after the next boot. */
export interface SysctlResource {
  readonly kind: 'sysctl';
  /** Name of the file in /etc/sysctl.d, without `.conf`. */
  readonly name: string;
  readonly values: Readonly<Record<string, string>>;
}

/** Kernel parameters that an earlier `sysctl` of the same name set, as they are without it. */
export interface AbsentSysctlResource {
  readonly kind: 'absent-sysctl';
  readonly name: string;
  /** What the kernel has by itself. Where another file of /etc/sysctl.d says otherwise, that counts. */
  readonly values: Readonly<Record<string, string>>;
}

/** A module that the kernel has, now and after the next boot. Nothing in a container: that is for its host to do. */
export interface KernelModuleResource {
  readonly kind: 'kernel-module';
  readonly name: string;
}

/**
 * A user of the system that a daemon runs as, with a group of the same name. It has no password and no shell. One that
 * already is there stays as it is, but for the groups.
 */
export interface UserResource {
  readonly kind: 'user';
  readonly name: string;
  /** Its home, which is not made; `/nonexistent` if absent. */
  readonly home?: string;
  /** Groups that it is to be in besides its own. Others that it is in stay. */
  readonly groups?: readonly string[];
}

/** A user that is not there. Only one that an earlier `user` of the same charm made is removed, and none of its files. */
export interface AbsentUserResource {
  readonly kind: 'absent-user';
  readonly name: string;
}

/** A systemd service. */
export interface ServiceResource {
  readonly kind: 'service';
  /** Without `.service`. */
  readonly name: string;
  readonly state: 'running' | 'stopped';
  /** Whether it starts with the machine. */
  readonly enabled: boolean;
  /** What a running service is told when a file of `after` changed. */
  readonly onChange?: 'restart' | 'reload';
  /** Paths of the files that the service reads. */
  readonly after?: readonly string[];
  /** What ends a service that runs, before systemd stops it: for one that has to be asked. */
  readonly stop?: () => Promise<void>;
}

/** Something that cannot be said as a state. Running it twice must be harmless. */
export interface StepResource {
  readonly kind: 'step';
  readonly id: string;
  /** It runs when these differ from those it last succeeded with; absent: whenever it is in the plan. */
  readonly inputs?: Readonly<Record<string, string | number | boolean>>;
  readonly run: () => Promise<void>;
}

/** The name of a resource in logs: `file:/etc/haproxy/haproxy.cfg`. */
export function resourceId(resource: Resource): string {
  switch (resource.kind) {
    case 'source':
    case 'sysctl':
    case 'absent-sysctl':
    case 'kernel-module':
    case 'user':
    case 'absent-user':
    case 'snap':
    case 'absent-snap':
    case 'service':
      return `${resource.kind}:${resource.name}`;
    case 'packages':
    case 'absent-packages':
      return `${resource.kind}:${resource.names.join(',')}`;
    case 'file':
    case 'absent-file':
      return `${resource.kind}:${resource.path}`;
    case 'step':
      return `${resource.kind}:${resource.id}`;
  }
}
