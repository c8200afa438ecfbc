// What balancers and clients of a region see before it restarts: a real kernel, in namespaces.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Lab, type Machine } from '../../../lab/lab.ts';
import { until } from '../../../lab/vip.ts';
import { describeOnMachines } from '../../../machines.ts';

const DOOR = join(import.meta.dirname, '../../../lab/region-door.ts');
const REGION = '10.9.0.1';
/** curl's word for a connection that is refused. */
const REFUSED = 7;
/** Answers, to /slow after five seconds. */
const SERVER = `import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(5 if self.path == "/slow" else 0)
        self.send_response(200); self.end_headers(); self.wfile.write(b"done")
http.server.ThreadingHTTPServer(("", 5240), Handler).serve_forever()`;

describeOnMachines('a region that is about to restart', () => {
  let lab: Lab;
  let region: Machine;
  let balancer: Machine;

  beforeEach(async () => {
    lab = await Lab.start();
    region = await lab.machine('region', [`${REGION}/24`]);
    balancer = await lab.machine('balancer', ['10.9.0.2/24']);
    region.spawn(['python3', '-c', SERVER]);
    await until(async () => (await ask(balancer, REGION)) === 0);
  });
  afterEach(() => lab.stop());

  const ask = async (machine: Machine, host: string, path = '/'): Promise<number> =>
    (await machine.try(['curl', '--silent', '--max-time', '20', `http://${host}:5240${path}`])).exitCode;
  const door = (verb: 'turn-away' | 'welcome'): Promise<unknown> =>
    region.run([process.execPath, DOOR, verb]);

  test('refuses balancers, also the one on its own machine, and is there for itself; then it lets them in again', async () => {
    await door('turn-away');
    expect(await ask(balancer, REGION)).toBe(REFUSED);
    expect(await ask(region, REGION)).toBe(REFUSED);
    expect(await ask(region, '127.0.0.1')).toBe(0);
    await door('welcome');
    expect(await ask(balancer, REGION)).toBe(0);
  });

  test('answers who was let in before', async () => {
    let exitCode: number | undefined;
    const asked = ask(balancer, REGION, '/slow').then((code) => (exitCode = code));
    await sleep(500);
    await door('turn-away');
    // The answer is there before the restart begins.
    await until(() => Promise.resolve(exitCode !== undefined), 1);
    expect(await asked).toBe(0);
  });
});
