export { machine } from './apply.ts';
export type { Change, Place } from './apply.ts';
export {
  downloadPackages,
  installedPackages,
  installedVersion,
  isOlder,
  offeredVersion,
  refreshPackageLists,
} from './apt.ts';
export { awaitDrained, draining, drainMark } from './draining.ts';
export { HostError } from './errors.ts';
export { deleteFile, readFileIfExists, replaceFile } from './files.ts';
export type { Complaint, Secret, WantedFile } from './files.ts';
export { appliedHere } from './memory.ts';
export { addresses, connections, inSubnet, listeners, portHolders } from './network.ts';
export type { InterfaceAddress } from './network.ts';
export { markOf, markPath, occupantOf } from './occupant.ts';
export type { Occupant, Owner, SoleDaemon } from './occupant.ts';
export { inContainer, osRelease } from './os.ts';
export { heldAddresses, ownAddress } from './own-address.ts';
export type { OfferedAddresses, VirtualAddresses } from './own-address.ts';
export type {
  AbsentFileResource,
  AbsentPackagesResource,
  AbsentSnapResource,
  AbsentSysctlResource,
  AbsentUserResource,
  FileResource,
  KernelModuleResource,
  PackagesResource,
  Resource,
  ServiceResource,
  SnapResource,
  SourceResource,
  StepResource,
  SysctlResource,
  UserResource,
} from './resources.ts';
export { lastLines, run, tryRun } from './run.ts';
export type { Argv, RunOptions, RunResult } from './run.ts';
export { installedSnap, offeredSnap, switchSnap } from './snap.ts';
export type { InstalledSnap } from './snap.ts';
export { parseSource } from './source.ts';
export type { Source } from './source.ts';
export { tryRunUncut } from './uncut.ts';
export { detached, serviceStates } from './systemd.ts';
export type { ServiceState } from './systemd.ts';
