import { randomBytes } from 'node:crypto';
import { installationHere } from '@maas-ha/maas';
import { defineAction, Redacted, UserError } from 'juju-ts-ops';
import { z } from 'zod';
import { adoptRegion } from './region/adopt.ts';
import { createBackup, listBackups, restoreBackup } from './backup/backup.ts';
import { apiKey, createAdmin, insist } from './cluster/controllers.ts';
import { dhcpConfigurer } from './racks/dhcp.ts';
import { pauseRegion, resumeRegion } from './region/pause.ts';
import { rotateSecret } from './cluster/secret.ts';
import type { RegionJuju } from './juju.ts';
import { askForUpgrade } from './cluster/upgrade.ts';

const username = z
  .string()
  .regex(/^[\w.@+-]{1,150}$/, 'the name of a MAAS user: letters, digits and @ . + - _');

const databaseBackup = z.string().min(1, 'what PostgreSQL calls its backup');

const hostname = z.string().min(1).optional();

const DhcpParams = z.object({
  fabric: z.string().min(1).optional(),
  vlan: z.int().min(0, '0 to 4094; 0 is untagged').max(4094, '0 to 4094; 0 is untagged').default(0),
  primary: hostname,
  secondary: hostname,
});

export const actions = {
  adopt: defineAction<RegionJuju, object>(z.object({}), (_params, juju) => adoptRegion(juju)),

  'create-admin': defineAction<RegionJuju, { username: string; email: string }>(
    z.object({ username, email: z.email('an e-mail address') }),
    async (params, { context }) => {
      const password = new Redacted(randomBytes(18).toString('base64url'));
      await createAdmin(await installationHere('region', context), params.username, params.email, password);
      return { username: params.username, password: password.reveal() };
    },
  ),

  'get-api-key': defineAction<RegionJuju, { username: string }>(
    z.object({ username }),
    async (params, { context }) => {
      const key = await apiKey(await installationHere('region', context), params.username);
      if (!key) throw new UserError(`MAAS has no user ${params.username}`);
      return { 'api-key': key.reveal() };
    },
  ),

  'list-controllers': defineAction<RegionJuju, object>(z.object({}), async (_params, { context }) => {
    const [regions, racks] = await insist(await installationHere('region', context), (api) =>
      Promise.all([api.regionControllers(), api.rackControllers()]),
    );
    const list = (controllers: typeof regions): string =>
      JSON.stringify(
        controllers.map(({ system_id, hostname: name, version, ip_addresses, service_set }) => {
          const rackd = service_set.find((service) => service.name === 'rackd');
          return { system_id, hostname: name, version, ip_addresses, ...(rackd && { rackd: rackd.status }) };
        }),
      );
    return { regions: list(regions), racks: list(racks) };
  }),

  'configure-dhcp-ha': defineAction<RegionJuju, z.output<typeof DhcpParams>, z.input<typeof DhcpParams>>(
    DhcpParams,
    async ({ fabric, vlan, primary, secondary }, { context }) => {
      const configure = dhcpConfigurer({
        vlan,
        ...(fabric !== undefined && { fabric }),
        ...(primary !== undefined && { primary }),
        ...(secondary !== undefined && { secondary }),
      });
      const pair = await insist(await installationHere('region', context), configure);
      return {
        vlan: `${pair.vlan.fabric}, VLAN ${pair.vlan.vid}`,
        primary: pair.primary.hostname,
        secondary: pair.secondary.hostname,
      };
    },
  ),

  'create-backup': defineAction<RegionJuju, { 'database-backup': string }>(
    z.object({ 'database-backup': databaseBackup }),
    (params, juju) => createBackup(juju, params['database-backup']),
  ),

  'list-backups': defineAction<RegionJuju, object>(z.object({}), async () => ({
    backups: JSON.stringify(await listBackups()),
  })),

  'restore-backup': defineAction<RegionJuju, { 'backup-id': string; 'database-backup': string }>(
    z.object({ 'backup-id': z.string().min(1), 'database-backup': databaseBackup }),
    (params, juju) => restoreBackup(juju, params['backup-id'], params['database-backup']),
  ),

  'rotate-secret': defineAction<RegionJuju, object>(z.object({}), (_params, juju) => rotateSecret(juju)),
  upgrade: defineAction<RegionJuju, object>(z.object({}), (_params, juju) => askForUpgrade(juju)),
  pause: defineAction<RegionJuju, object>(z.object({}), (_params, juju) => pauseRegion(juju)),
  resume: defineAction<RegionJuju, object>(z.object({}), (_params, juju) => resumeRegion(juju)),
};
