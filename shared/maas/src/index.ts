export { parseMaasConfig, renderMaasConfig, type MaasConfig } from './config.ts';
export { forgetIdentity, ID_FILE, MAAS_SECRET, SECRET_FILE } from './files.ts';
export { maasSource, majorMinor } from './packages.ts';
export { maasUrl, REGION_HTTP_PORT } from './url.ts';
