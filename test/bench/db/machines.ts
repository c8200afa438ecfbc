// What clients of MAAS lose on machines when PostgreSQL's primary fails: three servers of Patroni, regions behind a virtual
// address, and writers that ask there. With what follows the primary, and without it: hooks rewrite the configuration then.
import {
  CHANGES,
  DatabaseCluster,
  FAILURES,
  powerLoss,
  type Failure,
  type Outcome,
} from '../../deploy/database-cluster.ts';
import { buildCharms, LocalModel } from '../../deploy/model.ts';
import { medianOf } from '../figures.ts';
import { bootOrders } from './orders.ts';

export interface MachineRounds {
  readonly rounds: number;
  /** How many orders all machines start in, after all have lost power. */
  readonly orders: number;
  /** The same without what follows the primary: they take minutes each. */
  readonly plainRounds: number;
  /** Only the failures whose names have this. */
  readonly only: string;
}

/** Prints tables in Markdown, line by line, and removes its model. */
export async function benchMachines({ rounds, orders, plainRounds, only }: MachineRounds): Promise<void> {
  const cluster = new DatabaseCluster(new LocalModel('bench-database'));
  await buildCharms();
  try {
    await cluster.deploy(3, 1);
    const failures = [...FAILURES, ...CHANGES].filter(({ name }) => name.includes(only));
    await benchFailures(cluster, 'followed by the service', failures, rounds, () => cluster.isFollowed(60));
    await benchOrders(cluster, orders);
    if (plainRounds === 0) return;
    await cluster.model.juju('config', 'maas-region', 'database-proxy=false');
    await cluster.model.settle(600);
    const moving = failures.filter(({ moves, cutsOff }) => moves && !cutsOff);
    await benchFailures(cluster, 'endpoint rewritten by hooks', moving, plainRounds, () =>
      cluster.model.settle(600),
    );
  } finally {
    await cluster.model.destroy();
  }
}

/** @param recovery waits until every region writes to the primary */
async function benchFailures(
  cluster: DatabaseCluster,
  how: string,
  failures: readonly Failure[],
  rounds: number,
  recovery: () => Promise<void>,
): Promise<void> {
  console.log(
    `\n| ${how} | rounds | writes again after the promotion | no write acknowledged for | made again | lost | regiond restarted |`,
  );
  console.log('| -- | -- | -- | -- | -- | -- | -- |');
  for (const failure of failures) {
    const outcomes: Outcome[] = [];
    let restarted = 0;
    for (let round = 0; round < rounds; round += 1) {
      const before = await cluster.regions();
      outcomes.push(await cluster.suffer(failure));
      await recovery();
      const after = await cluster.regions();
      restarted += Object.entries(before).filter(([unit, text]) => after[unit] !== text).length;
    }
    const figure = (what: 'afterPromotion' | 'gap' | 'failures', unit = ''): string => {
      const all = outcomes.flatMap((outcome) => outcome[what] ?? []);
      return all.length === 0 ? '' : `${Math.round(medianOf(all))} / ${Math.round(Math.max(...all))}${unit}`;
    };
    const lost = outcomes.reduce((sum, outcome) => sum + outcome.lost.length, 0);
    console.log(
      `| ${failure.name} | ${rounds} | ${figure('afterPromotion', ' ms')} | ${figure('gap', ' ms')} | ${figure('failures')} | ${lost} | ${restarted} |`,
    );
  }
}

async function benchOrders(cluster: DatabaseCluster, most: number): Promise<void> {
  console.log('\n| power comes back in this order | writes again after the last | lost |');
  console.log('| -- | -- | -- |');
  for (const order of bootOrders().slice(0, most)) {
    const { afterwards, lost } = await cluster.suffer(powerLoss(order));
    await cluster.isFollowed(60);
    console.log(`| ${order.join(', ')} | ${Math.round(afterwards)} ms | ${lost.length} |`);
  }
  await cluster.model.settle(600);
}
