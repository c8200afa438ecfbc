import { defineInterface, hidden, json, raw } from 'juju-ts-ops';
import { z } from 'zod';

/** The contract between region and rack controllers. See README.md. */
export const maasRpc = defineInterface({
  name: 'maas-rpc',
  provider: {
    app: {
      'maas-url': raw,
      /** URI of the granted Juju secret whose key `maas-secret` racks authenticate with. */
      'maas-secret-id': raw,
      /** The MAAS that the regions run, `3.7`: no rack may have a newer one. Older peers do not say. */
      'maas-version': raw,
      /** Host names of the region controllers. */
      regions: json(z.array(z.string()).readonly()),
      /** By the short host names of racks: the networks, in words, that have DHCP from it and from no other. */
      'sole-dhcp': json(z.record(z.string(), z.array(z.string()).readonly())),
    },
    unit: {
      maas_url: raw,
      /** Read from old peers only: our region never writes it. */
      secret: hidden,
    },
  },
  requirer: {
    app: {},
    unit: {
      /** What MAAS calls the rack controller, so that it can be forgotten once the unit is gone. */
      hostname: raw,
    },
  },
});

/** The key of the Juju secret. */
export const MAAS_SECRET_KEY = 'maas-secret';
