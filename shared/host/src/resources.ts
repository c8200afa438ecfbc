import type { WantedFile } from './files.ts';

/** The desired state of one part of a machine. Plain data, except for the function of a step. */
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

/** Debian packages that must be installed. Installed ones stay as they are, unless `version` is set. */
export interface PackagesResource {
  readonly kind: 'packages';
  readonly names: readonly string[];
  /** The version of all of them. */
  readonly version?: string;
  /** Whether they are held, so that an upgrade of the whole machine skips them. */
  readonly held?: boolean;
}

/**
 * Debian packages that must not be installed. It removes only those that an earlier `packages` of the same charm
 * installed, with their configuration and the dependencies that nothing else needs. Packages that another one needs
 * stay, and so do essential ones.
 */
export interface AbsentPackagesResource {
  readonly kind: 'absent-packages';
  readonly names: readonly string[];
}

/**
 * A snap that must be installed, and that snapd does not refresh by itself. An installed one stays as it is, unless
 * `version` is set.
 */
export interface SnapResource {
  readonly kind: 'snap';
  readonly name: string;
  /** `3.7/stable` */
  readonly channel: string;
  /** The version to install from this channel. */
  readonly version?: string;
}

/** A snap that must not be installed, whoever installed it. Its data is removed too. */
export interface AbsentSnapResource {
  readonly kind: 'absent-snap';
  readonly name: string;
}

/** A file with its content, owner and mode, written in one step. */
export interface FileResource extends WantedFile {
  readonly kind: 'file';
}

/** A file that must not exist. */
export interface AbsentFileResource {
  readonly kind: 'absent-file';
  readonly path: string;
}

/** Kernel parameters, set now and at every boot. */
export interface SysctlResource {
  readonly kind: 'sysctl';
  /** Name of the file in /etc/sysctl.d, without `.conf`. */
  readonly name: string;
  readonly values: Readonly<Record<string, string>>;
}

/** Undoes an earlier `sysctl` of the same name. */
export interface AbsentSysctlResource {
  readonly kind: 'absent-sysctl';
  readonly name: string;
  /** The kernel's own values. A value in another file of /etc/sysctl.d takes precedence. */
  readonly values: Readonly<Record<string, string>>;
}

/** A kernel module that is loaded, now and at every boot. It does nothing in a container, whose host has to load it. */
export interface KernelModuleResource {
  readonly kind: 'kernel-module';
  readonly name: string;
}

/**
 * A system user for a daemon, with a group of the same name, without a password or shell. An existing user stays as
 * it is, but is added to `groups`.
 */
export interface UserResource {
  readonly kind: 'user';
  readonly name: string;
  /** Its home, which is not created; `/nonexistent` if absent. */
  readonly home?: string;
  /** Additional groups. The user also keeps its other groups. */
  readonly groups?: readonly string[];
}

/**
 * A user that must not exist. It removes only a user that an earlier `user` of the same charm created, and none of
 * its files.
 */
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
  /** What happens to a running service when a file in `after` has changed. */
  readonly onChange?: 'restart' | 'reload';
  /** Paths of the files that the service reads. */
  readonly after?: readonly string[];
  /** Asks a running service to end, before systemd stops it. */
  readonly stop?: () => Promise<void>;
}

/** Work that cannot be described as a state. Running it twice must be harmless. */
export interface StepResource {
  readonly kind: 'step';
  readonly id: string;
  /** The step runs when these differ from those of its last success; if absent, it runs every time. */
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
