import { expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { MaasApi } from '@maas-ha/maas';
import { Redacted, UserError, WaitingError } from 'juju-ts-ops';

test.each([
  [500, {}, WaitingError],
  [503, { 'Retry-After': '10' }, WaitingError],
  // PostgreSQL could not serialize what several asked for at once.
  [409, { 'Retry-After': '5' }, WaitingError],
  [409, {}, UserError],
  [400, {}, UserError],
])(
  'what is worth asking again is waited for, and the rest is refused: %d %j',
  async (status, headers, kind) => {
    const server = createServer((_request, response) => response.writeHead(status, headers).end('no'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('it listens nowhere');
      const api = new MaasApi({ host: '127.0.0.1', port: address.port }, new Redacted('a:b:c'));
      await expect(api.fabrics()).rejects.toThrow(kind);
    } finally {
      server.close();
    }
  },
);
