export { authorization, MaasApi, refusal, type ApiPlace, type Controller, type Vlan } from './api.ts';
export { parseMaasConfig, renderMaasConfig, type MaasConfig } from './config.ts';
export {
  forgetIdentity,
  ID_FILE,
  IDENTITY,
  isControllerInstalled,
  MAAS_HOME,
  MAAS_SECRET,
  SECRET_FILE,
} from './files.ts';
export { markPaused, pausedStatus, pauseMark, unmarkPaused } from './pause.ts';
export { connectedRegions, eventLoops, type EventLoops } from './rpc.ts';
export { maasSource, majorMinor, tooOld } from './packages.ts';
export { maasUrl, normalUrl, REGION_HTTP_PORT } from './url.ts';
export { inWords, oldestPostgresql, preparation, preparing, type Preparation } from './upgrade.ts';
