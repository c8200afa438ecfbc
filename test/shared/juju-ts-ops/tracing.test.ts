// What a collector of traces hears of a hook: a real HTTP server, in the place of the one that Juju names.
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { active, defineCharm, runEvent } from 'juju-ts-ops';
import { z } from 'zod';

const charm = defineCharm(
  { name: 'web', subordinate: false, provides: {}, requires: {}, peers: {}, options: {}, actions: {} },
  {
    options: {},
    endpoints: {},
    machine: { apply: () => Promise.resolve([]), preview: () => Promise.resolve([]) },
    read: (juju) => juju.isLeader(),
    plan: () => ({ machine: [], status: [active()] }),
    teardown: () => Promise.resolve([]),
    actions: {},
  },
);
const Heard = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: z.array(z.unknown()) }),
      scopeSpans: z.array(
        z.object({
          spans: z.array(
            z.object({
              traceId: z.string(),
              spanId: z.string(),
              parentSpanId: z.string().optional(),
              name: z.string(),
              status: z.object({ code: z.int() }),
            }),
          ),
        }),
      ),
    }),
  ),
});

let charmDirectory: string;
let collector: Server;
let heard: z.infer<typeof Heard>[];
let isWilling: boolean;

beforeEach(async () => {
  charmDirectory = await mkdtemp(join(tmpdir(), 'charm-'));
  heard = [];
  isWilling = true;
  collector = createServer((request, response) => void listen(request, response));
  collector.listen(0, '127.0.0.1');
  await once(collector, 'listening');
});
afterEach(async () => {
  collector.close();
  await rm(charmDirectory, { recursive: true });
});

async function listen(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await text(request);
  if (isWilling && request.url === '/v1/traces') heard.push(Heard.parse(JSON.parse(body)));
  response.writeHead(isWilling ? 200 : 503).end();
}

/** Runs a hook whose tools end as they should, or all of them with a refusal. */
function hook(name: string, more: Record<string, string> = {}, refuses = false): Promise<0 | 1> {
  const address = collector.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const answers = new Map([
    ['is-leader', 'true'],
    ['status-get', '{"status":"active","message":""}'],
  ]);
  return runEvent(charm, {
    environment: {
      JUJU_DISPATCH_PATH: `hooks/${name}`,
      JUJU_CONTEXT_ID: 'web/0-hook-1',
      JUJU_UNIT_NAME: 'web/0',
      JUJU_MODEL_NAME: 'dev',
      JUJU_CHARM_DIR: charmDirectory,
      JUJU_CHARM_TRACE_CONFIG_HTTP: `http://127.0.0.1:${port}`,
      ...more,
    },
    runTool: (tool) =>
      Promise.resolve({ exitCode: refuses ? 1 : 0, stdout: answers.get(tool) ?? '', stderr: '' }),
    print: () => {},
  });
}

const spansOf = ({ resourceSpans }: z.infer<typeof Heard>) =>
  resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));

test('a hook is a trace of its tools, and part of that of Juju', async () => {
  const ids = { JUJU_TRACE_ID: 'a'.repeat(32), JUJU_SPAN_ID: 'b'.repeat(16) };
  expect(await hook('config-changed', ids)).toBe(0);
  const [root, ...tools] = heard.flatMap(spansOf);
  expect(root).toMatchObject({
    name: 'config-changed',
    traceId: ids.JUJU_TRACE_ID,
    parentSpanId: ids.JUJU_SPAN_ID,
    status: { code: 1 },
  });
  expect(tools.map(({ name }) => name).toSorted()).toEqual(['is-leader', 'status-get']);
  expect(new Set(tools.map(({ parentSpanId }) => parentSpanId))).toEqual(new Set([root?.spanId]));
  expect(heard[0]?.resourceSpans[0]?.resource.attributes).toContainEqual({
    key: 'service.instance.id',
    value: { stringValue: 'web/0' },
  });
});

test('a hook that fails says so', async () => {
  expect(await hook('config-changed', {}, true)).toBe(1);
  expect(heard.flatMap(spansOf)[0]?.status).toEqual({ code: 2 });
});

test('what the collector does not take is sent with a later hook, in its order', async () => {
  isWilling = false;
  expect([await hook('install'), await hook('start')]).toEqual([0, 0]);
  expect(heard).toEqual([]);
  isWilling = true;
  await hook('update-status');
  expect(heard.map((trace) => spansOf(trace)[0]?.name)).toEqual(['install', 'start', 'update-status']);
  expect(existsSync(join(charmDirectory, '.state/traces.ndjson'))).toBe(false);
});

test('without a collector nothing is sent or kept', async () => {
  await hook('config-changed', { JUJU_CHARM_TRACE_CONFIG_HTTP: '' });
  expect([heard, existsSync(join(charmDirectory, '.state/traces.ndjson'))]).toEqual([[], false]);
});
