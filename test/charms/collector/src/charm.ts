import { cosAgent } from 'juju-ts-interfaces/cos_agent';
import { active, defineCharm, waiting } from 'juju-ts-ops';
import { z } from 'zod';
import { charmcraft } from './charmcraft.ts';

const TIMEOUT = 3000;

const Job = z.object({
  job_name: z.string(),
  metrics_path: z.string(),
  static_configs: z.array(z.object({ targets: z.array(z.string()) })),
});

export const charm = defineCharm(charmcraft, {
  options: {},
  endpoints: { 'cos-agent': cosAgent },
  async read(juju) {
    const relations = await juju.relations('cos-agent');
    const configs = relations.flatMap(({ units }) => units.flatMap(({ data }) => data.config ?? []));
    const jobs = configs.flatMap((config) => z.array(Job).parse(config.metrics_scrape_jobs));
    return Promise.all(
      jobs.map(async (job) => ({
        name: job.job_name,
        counts: await Promise.all(
          job.static_configs
            .flatMap(({ targets }) => targets)
            .map((target) => countMetrics(`http://${target}${job.metrics_path}`)),
        ),
      })),
    );
  },
  plan: (jobs) => {
    const [first, ...more] = jobs.map(({ name, counts }) => `${name}: ${counts.join(' and ')}`);
    return {
      machine: [],
      status: [first === undefined ? waiting('to be told of metrics') : active(first, more)],
    };
  },
  machine: { apply: () => Promise.resolve([]), preview: () => Promise.resolve([]) },
  actions: {},
});

/** `312 metrics`, in the text format of Prometheus. */
async function countMetrics(url: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT) });
    if (!response.ok) return `status ${response.status}`;
    const lines = (await response.text()).split('\n');
    return `${lines.filter((line) => /^\w+(\{.*\})? \S+$/.test(line)).length} metrics`;
  } catch {
    return 'no answer';
  }
}
