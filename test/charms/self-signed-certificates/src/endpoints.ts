import { tlsCertificates } from 'juju-ts-interfaces/tls-certificates';
import { defineDatabags, defineEndpoints } from 'juju-ts-ops';
import { charmcraft } from './charmcraft.ts';

export const endpoints = defineEndpoints(charmcraft, { certificates: tlsCertificates });

/** An entry of a plan's databags. */
export const databag = defineDatabags(charmcraft, endpoints);
