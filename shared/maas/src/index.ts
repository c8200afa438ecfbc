export { authorization, MaasApi, refusal, type ApiPlace, type Controller, type Vlan } from './api.ts';
export { parseMaasConfig, renderMaasConfig, type MaasConfig } from './config.ts';
export { chooseInstallation, installationHere, removing, wantedInstallation, type Choice } from './choice.ts';
export { DEB } from './deb.ts';
export { inOwnEnvironment } from './environment.ts';
export {
  forgetIdentity,
  MAAS_SECRET,
  type Installation,
  type Installed,
  type Left,
  type Role,
} from './installation.ts';
export { localMaas, type LocalMaas } from './local.ts';
export { adopt, handMade, installing, ownershipOf } from './ownership.ts';
export { SNAP } from './snap.ts';
export { MAAS_SECRET_KEY, maasRpc } from './maas-rpc/index.ts';
export { markPaused, pausedStatus, pauseMark, unmarkPaused } from './pause.ts';
export { leaveBind, restoreRackDns } from './bind.ts';
export { connectedRegions, eventLoops, registeredWith, shortName, type EventLoops } from './rpc.ts';
export { majorMinor, tooOld, withoutEpoch } from './packages.ts';
export { maasUrl, normalUrl, REGION_HTTP_PORT } from './url.ts';
export { inWords, lookAgain, oldestPostgresql, preparation, preparing, type Preparation } from './upgrade.ts';
