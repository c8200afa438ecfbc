export { authorization, MaasApi, refusal, type ApiPlace, type Controller, type Vlan } from './api.ts';
export { parseMaasConfig, renderMaasConfig, type MaasConfig } from './config.ts';
export { DEB } from './deb.ts';
export { forgetIdentity, MAAS_SECRET, type Installation, type Installed, type Role } from './installation.ts';
export { markPaused, pausedStatus, pauseMark, unmarkPaused } from './pause.ts';
export { connectedRegions, eventLoops, type EventLoops } from './rpc.ts';
export { maasSource, majorMinor, tooOld } from './packages.ts';
export { maasUrl, normalUrl, REGION_HTTP_PORT } from './url.ts';
export { inWords, oldestPostgresql, preparation, preparing, type Preparation } from './upgrade.ts';
