import { addresses } from '@maas-ha/host';
import type { KeepalivedJuju } from './state.ts';

export const actions = {
  'show-owner': async (_params: object, juju: KeepalivedJuju) => {
    const { vip } = await juju.options();
    const held = vip.filter((wanted) => addresses().some(({ address }) => address === wanted.address));
    return { held: held.map(({ address }) => address).join(' '), unit: juju.context.unit };
  },
};
