import { isIP } from 'node:net';
import { keepalivedVip } from 'juju-ts-interfaces/keepalived-vip';
import {
  defineDatabags,
  defineEndpoints,
  commaList,
  defineInterface,
  definePeerInterface,
  json,
  raw,
  type Codec,
} from 'juju-ts-ops';
import { z } from 'zod';
import { charmcraft } from './charmcraft.ts';

/** The interface that every principal has; nothing passes over it. */
const jujuInfo = defineInterface({
  name: 'juju-info',
  provider: { app: {}, unit: {} },
  requirer: { app: {}, unit: {} },
});

const address = z.string().refine((text) => isIP(text) !== 0, 'not an IP address');

/** IP addresses, separated by commas. */
const addressList: Codec<readonly string[]> = {
  decode: (text) => commaList.decode(text).map((item) => address.parse(item)),
  encode: (value) => commaList.encode(value),
};

/** The states that keepalived names. */
export const VrrpState = z.enum(['MASTER', 'BACKUP', 'FAULT']);
export type VrrpState = z.infer<typeof VrrpState>;

/** What a unit tells of one VRRP instance that runs there. */
const Report = z.object({
  /** Where its adverts come from. */
  source: address,
  vips: z.array(address).readonly(),
  state: VrrpState,
  /** Seconds since 1970. */
  since: z.int(),
  /** What the instance was started with: see {@link Instance.speaks}. Units of older revisions do not tell. */
  speaks: z.string().optional(),
});
export type Report = z.infer<typeof Report>;

/** What the units of this application tell each other. */
const vrrpCluster = definePeerInterface({
  name: 'vrrp-cluster',
  app: {
    /** URI of the Juju secret whose key `auth-pass` VRRP version 2 authenticates with. */
    'auth-secret-id': raw,
    /** The unit that starts first, where the leader stands aside for another on its machine. */
    'goes-first': raw,
  },
  unit: {
    /** Where this unit sends VRRP from, one address for each instance. */
    addresses: addressList,
    /** The addresses that this unit sends VRRP to. A unit starts only when the others send to it: see plan.ts. */
    'sends-to': addressList,
    /** The wanted addresses that are this machine's own, which nobody may hold. */
    'own-vips': addressList,
    /** The instances that run here, with what they are. */
    instances: json(z.array(Report).readonly()),
  },
});

export const endpoints = defineEndpoints(charmcraft, {
  'juju-info': jujuInfo,
  vip: keepalivedVip,
  'vrrp-cluster': vrrpCluster,
});

/** An entry of a plan's databags. */
export const databag = defineDatabags(charmcraft, endpoints);
