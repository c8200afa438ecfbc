// The program of the service: it asks every server again and again, and has the kernel follow the primary. While it does
// not run, connections stay where they are.
import { setTimeout as sleep } from 'node:timers/promises';
import { detached, readFileIfExists, replaceFile, tryRun } from 'juju-ts-host';
import { hookCommand } from 'juju-ts-ops';
import { z } from 'zod';
import { Witness } from './ask.ts';
import {
  choose,
  hasOtherExtensions,
  isSame,
  nameOf,
  type Asked,
  type Choice,
  type Server,
} from './choose.ts';
import { readReport, renderMetrics, type Report } from './report.ts';
import { hasRules, isRouted, routeTo } from './route.ts';

/** How long a server is left alone between two questions, in milliseconds. */
const PAUSE = 250;
/** The same for one that the relation does not name any more. */
const LONG_PAUSE = 5000;
/** How often the kernel's rules are looked at, in milliseconds. */
const LOOK = 2000;
/** How often systemd hears that this program follows, in milliseconds: a third of the unit's `WatchdogSec`. */
const SIGN_OF_LIFE = 10_000;
/** How long Juju has for a hook that it was told to run, before it is told again, in milliseconds. */
const TELL_PAUSE = 30_000;

const Place = z.object({ host: z.string(), port: z.int() });

/** What the service is told, in a file for root alone: it has the password. */
export const Config = z.object({
  relation: z.int(),
  database: z.string(),
  user: z.string(),
  password: z.string(),
  authority: z.string().optional(),
  /** What the relation names now, the primary first. */
  named: z.tuple([Place], Place),
  /** What it named before. */
  former: z.array(Place),
  metricsPort: z.int(),
  /** The unit that cannot go on with these extensions: it is told when the database has others, which no relation says. */
  stopped: z.object({ unit: z.string(), extensions: z.array(z.string()) }).optional(),
});
export type Config = Readonly<z.infer<typeof Config>>;

/** Follows the primary until the process is ended. @param folder with `config.json`, and where the report is written */
export async function follow(folder: string): Promise<void> {
  const config = Config.parse(JSON.parse((await readFileIfExists(`${folder}/config.json`)) ?? ''));
  const follower = await Follower.start(config, `${folder}/report.json`);
  follower.serveMetrics(config.metricsPort);
  await follower.run();
}

class Follower {
  readonly #config: Config;
  readonly #path: string;
  readonly #witnesses: readonly Witness[];
  readonly #asked = new Map<Witness, Asked>();
  #report: Report;
  /** One after the other: what the kernel is told, and what is written down. */
  #settled: Promise<void> = Promise.resolve();

  private constructor(config: Config, path: string, report: Report) {
    const { named, former } = config;
    this.#config = config;
    this.#path = path;
    this.#report = report;
    this.#witnesses = [...named, ...former].map((server) => new Witness(server, config));
  }

  static async start(config: Config, path: string): Promise<Follower> {
    const before = await readReport(path);
    const { relation } = config;
    // Without rules, as after a boot, nobody knows whether it still is the primary: nobody gets there until it says so.
    const isFollowing = await hasRules();
    if (!isFollowing) await routeTo(undefined);
    const known = before?.relation === relation ? before : undefined;
    const { current, ...rest } = known ?? { relation, since: now(), switches: 0 };
    return new Follower(config, path, { ...rest, ...(current && isFollowing && { current }), switches: 0 });
  }

  async run(): Promise<never> {
    const { former } = this.#config;
    for (const witness of this.#witnesses) {
      const isFormer = former.some((server) => isSame(server, witness.server));
      void this.#watch(witness, isFormer ? LONG_PAUSE : PAUSE);
    }
    for (;;) {
      await sleep(LOOK);
      this.#settle();
    }
  }

  serveMetrics(port: number): void {
    // Only where it is used: a charm's executable cannot hold what it makes when it is loaded.
    const { createServer } = process.getBuiltinModule('node:http');
    // Whoever cannot listen there still follows the primary.
    createServer((_request, response) => {
      response.setHeader('content-type', 'text/plain; version=0.0.4');
      response.end(renderMetrics(this.#report, [...this.#asked.values()]));
    })
      .on('error', (error) => console.error(`no metrics: ${error.message}`))
      .listen(port, '127.0.0.1');
  }

  async #watch(witness: Witness, pause: number): Promise<never> {
    for (;;) {
      const answer = await witness.ask();
      this.#asked.set(witness, { ...witness.server, answer });
      this.#settle();
      await sleep(pause);
    }
  }

  /** Follows from what is known now. */
  #settle(): void {
    // At first everyone is asked, so that no former primary is taken for the only one.
    if (this.#asked.size < this.#witnesses.length) return;
    this.#settled = this.#settled
      .then(() => this.#follow())
      .then(() => this.#showLife())
      .catch((error: unknown) => console.error(error instanceof Error ? error.message : String(error)));
  }

  async #follow(): Promise<void> {
    const asked = this.#witnesses.flatMap((witness) => this.#asked.get(witness) ?? []);
    const [named] = this.#config.named;
    this.#tell(asked);
    const choice = await this.#routed(choose(asked, named, this.#report));
    const isMoved = !isSamePlace(choice.current, this.#report.current);
    const report = this.#next(choice, isMoved);
    if (JSON.stringify(report) === JSON.stringify(this.#report)) return;
    if (isMoved) console.log(report.current ? `follows ${nameOf(report.current)}` : 'follows nobody');
    if (report.problem !== undefined && report.problem !== this.#report.problem) console.log(report.problem);
    this.#report = report;
    await replaceFile({ path: this.#path, content: JSON.stringify(report), mode: 0o644 });
  }

  #shownAt = -SIGN_OF_LIFE;

  /** Without it for a while, systemd starts this program anew. */
  #showLife(): void {
    const time = performance.now();
    if (time - this.#shownAt < SIGN_OF_LIFE) return;
    this.#shownAt = time;
    void tryRun(['systemd-notify', 'WATCHDOG=1']);
  }

  #told = -TELL_PAUSE;

  /** Has Juju run a hook. Not as a child of this service, which the hook restarts. */
  #tell(asked: readonly Asked[]): void {
    const { stopped } = this.#config;
    const time = performance.now();
    if (!stopped || time - this.#told < TELL_PAUSE) return;
    if (!hasOtherExtensions(asked, this.#report.current, stopped.extensions)) return;
    this.#told = time;
    console.log('the database has other extensions: the unit looks again');
    void tryRun(detached(hookCommand(stopped.unit)));
  }

  /** Tells the kernel, and what it makes of it: what it does not take is left as it was. */
  async #routed(choice: Choice): Promise<Choice> {
    const { current, last } = this.#report;
    const isMoved = !isSamePlace(choice.current, current);
    try {
      if (isMoved || (await this.#isLookedAt(choice.current))) await routeTo(choice.current);
      return choice;
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      return { ...(current && { current }), ...(last && { last }), problem };
    }
  }

  #looked = 0;

  /** Whether it is time to look at the kernel's rules, and they are not as they should be. */
  async #isLookedAt(current: Server | undefined): Promise<boolean> {
    const time = performance.now();
    if (time - this.#looked < LOOK) return false;
    this.#looked = time;
    return !(await isRouted(current));
  }

  #next({ current, last, problem, isUndecided }: Choice, isMoved: boolean): Report {
    const { relation, since, switches } = this.#report;
    return {
      relation,
      ...(current && { current }),
      ...(last && { last }),
      since: isMoved ? now() : since,
      ...(problem !== undefined && { problem }),
      ...(isUndecided && { isUndecided }),
      switches: isMoved && current ? switches + 1 : switches,
    };
  }
}

function isSamePlace(one: Server | undefined, other: Server | undefined): boolean {
  return one === undefined || other === undefined ? one === other : isSame(one, other);
}

function now(): string {
  return new Date().toISOString();
}
