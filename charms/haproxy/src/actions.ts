import { UserError } from 'juju-ts-ops';
import { askHaproxy } from './haproxy.ts';

export const actions = {
  'show-backends': async () => {
    const running = await askHaproxy();
    if (!running) throw new UserError('HAProxy does not run here');
    const lines = running.servers.map(({ backend, server, address, status, since, check }) =>
      `${backend}/${server} ${address} ${status} for ${since} s ${check}`.trim(),
    );
    return { backends: lines.join('\n') };
  },
};
