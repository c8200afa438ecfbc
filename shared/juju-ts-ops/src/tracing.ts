import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describeEvent, type HookContext } from './context.ts';
import type { HookProcess, ToolRunner } from './process.ts';

/** How long the collector may take, in milliseconds; a hook does not wait for it any longer. */
const SEND_TIMEOUT = 2000;
/** How many hooks are kept for a collector that does not answer. The oldest go first. */
const MOST_KEPT = 200;

/** A thing that took time. https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding */
interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly status: { readonly code: number };
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue: string };
}

const INTERNAL = 1;
const [OK, ERROR] = [1, 2];

/**
 * What a hook did and how long it took, for the collector that Juju 4 names in the environment: the event, and within
 * it every hook tool by its name. Arguments are not told. What the collector does not take is sent with a later hook.
 */
export class Trace {
  readonly #environment: HookProcess['environment'];
  readonly #endpoint: URL;
  readonly #traceId: string;
  readonly #rootId = randomBytes(8).toString('hex');
  readonly #start = Date.now();
  readonly #spans: Span[] = [];

  /** `undefined` where no traces are wanted. */
  static of(environment: HookProcess['environment']): Trace | undefined {
    const { JUJU_CHARM_TRACE_CONFIG_HTTP: endpoint = '' } = environment;
    return URL.canParse(endpoint) ? new Trace(environment, new URL(endpoint)) : undefined;
  }

  private constructor(environment: HookProcess['environment'], endpoint: URL) {
    this.#environment = environment;
    this.#endpoint = endpoint;
    if (!endpoint.pathname.endsWith('/v1/traces'))
      endpoint.pathname = `${endpoint.pathname.replace(/\/$/, '')}/v1/traces`;
    const { JUJU_TRACE_ID: traceId = '' } = environment;
    this.#traceId = /^[0-9a-f]{32}$/.test(traceId) ? traceId : randomBytes(16).toString('hex');
  }

  /** The same tools, each a part of the trace. */
  tools(runTool: ToolRunner): ToolRunner {
    return async (tool, args, input) => {
      const start = Date.now();
      const result = await runTool(tool, args, input);
      this.#spans.push(
        this.#span(tool, randomBytes(8).toString('hex'), this.#rootId, start, result.exitCode === 0),
      );
      return result;
    };
  }

  /** Ends the trace and sends it, after those that are still to be sent. */
  async end(context: HookContext, isGood: boolean): Promise<void> {
    const { JUJU_SPAN_ID: parent = '' } = this.#environment;
    const root = this.#span(
      describeEvent(context.event),
      this.#rootId,
      /^[0-9a-f]{16}$/.test(parent) ? parent : undefined,
      this.#start,
      isGood,
    );
    const { unit, app, model } = context;
    const resource = {
      attributes: attributes({
        'service.name': app,
        'service.instance.id': unit,
        'service.namespace': model.name,
        'juju.model.uuid': model.uuid,
      }),
    };
    const scopeSpans = [{ scope: { name: 'juju-ts-ops' }, spans: [root, ...this.#spans] }];
    const file = join(context.stateDirectory, 'traces.ndjson');
    const waiting = [...(await kept(file)), JSON.stringify({ resourceSpans: [{ resource, scopeSpans }] })];
    while (waiting[0] !== undefined && (await this.#send(waiting[0]))) waiting.shift();
    await keep(file, waiting.slice(-MOST_KEPT));
  }

  #span(
    name: string,
    spanId: string,
    parentSpanId: string | undefined,
    start: number,
    isGood: boolean,
  ): Span {
    return {
      traceId: this.#traceId,
      spanId,
      ...(parentSpanId !== undefined && { parentSpanId }),
      name,
      kind: INTERNAL,
      startTimeUnixNano: `${start}000000`,
      endTimeUnixNano: `${Date.now()}000000`,
      attributes: [],
      status: { code: isGood ? OK : ERROR },
    };
  }

  /** Whether the collector took it. */
  async #send(body: string): Promise<boolean> {
    try {
      trust(this.#environment['JUJU_CHARM_TRACE_CONFIG_CA_CERT'] ?? '');
      const { ok } = await fetch(this.#endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        signal: AbortSignal.timeout(SEND_TIMEOUT),
      });
      return ok;
    } catch {
      return false;
    }
  }
}

/** TLS is asked for only here: a start-up snapshot cannot hold what it makes when it is loaded. */
function trust(certificate: string): void {
  if (certificate === '') return;
  const { getCACertificates, setDefaultCACertificates } = process.getBuiltinModule('node:tls');
  const known = getCACertificates('default');
  if (!known.includes(certificate)) setDefaultCACertificates([...known, certificate]);
}

function attributes(values: Readonly<Record<string, string>>): readonly Attribute[] {
  return Object.entries(values).map(([key, stringValue]) => ({ key, value: { stringValue } }));
}

async function kept(file: string): Promise<readonly string[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '');
}

async function keep(file: string, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) {
    await rm(file, { force: true });
    return;
  }
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.new`, lines.map((line) => `${line}\n`).join(''), { mode: 0o600 });
  await rename(`${file}.new`, file);
}
