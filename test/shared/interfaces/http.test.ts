// What web servers write on http, as charms of every age do it.
import { describe, expect, test } from '@jest/globals';
import { http } from 'juju-ts-interfaces/http';
import { decodeBag, encodeBag } from '../../../shared/juju-ts-ops/src/databag.ts';

const unit = http.provider.unit;
const noSecret = (): undefined => undefined;

describe('http', () => {
  test('a server says where it is and how its health is asked', () => {
    const bag = {
      hostname: '10.0.0.5',
      port: '8080',
      'health-check': '/healthz',
      sitenames: 'a.example b.example',
    };
    expect(decodeBag(unit, bag)).toEqual({
      data: {
        hostname: '10.0.0.5',
        port: 8080,
        'health-check': '/healthz',
        sitenames: ['a.example', 'b.example'],
      },
      problems: [],
    });
  });

  test('further ports, of which a pair is the balancer’s and the server’s own', () => {
    const ports = [5242, [443, 8443]] as const;
    const written = encodeBag(unit, { 'tcp-ports': ports }, noSecret).get('tcp-ports') ?? '';
    expect(written).toBe('[5242,[443,8443]]');
    expect(unit['tcp-ports'].decode(written)).toEqual(ports);
    expect(() => unit['tcp-ports'].decode('[70000]')).toThrow();
  });

  test('services in the YAML of 2012, with servers and options, or the unit itself', () => {
    const text = `
- service_name: shop
  service_host: 0.0.0.0
  service_port: 80
  service_options: [balance leastconn, option httpchk GET /ok]
  servers: [[shop-0, 10.0.0.5, 8080, [check, 'weight 2']]]
- { service_name: plain, crts: [DEFAULT] }
`;
    expect(unit.services.decode(text)).toEqual([
      {
        name: 'shop',
        port: 80,
        options: ['balance leastconn', 'option httpchk GET /ok'],
        servers: [{ name: 'shop-0', host: '10.0.0.5', port: 8080, options: ['check', 'weight 2'] }],
        others: [],
      },
      { name: 'plain', port: undefined, options: [], servers: undefined, others: ['crts'] },
    ]);
  });

  test('what cannot be read does not take the rest with it', () => {
    const { data, problems } = decodeBag(unit, { hostname: '10.0.0.5', port: 'eighty', services: ': [' });
    expect(data).toEqual({ hostname: '10.0.0.5' });
    expect(problems.map(({ key }) => key)).toEqual(['port', 'services']);
  });

  test('the balancer says where it listens', () => {
    const { frontend } = http.requirer.app;
    expect(frontend.encode({ scheme: 'https', port: 443 })).toBe('{"scheme":"https","port":443}');
    expect(() => frontend.decode('{"scheme":"ftp","port":21}')).toThrow();
  });
});
