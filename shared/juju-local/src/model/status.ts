import type { Application, Status, Unit } from './documents.ts';
import type { Model } from './model.ts';

/** Worst first: what an application shows when its leader has set nothing. */
const WORST_FIRST = ['error', 'blocked', 'maintenance', 'waiting', 'active', 'terminated', 'unknown'];

/** What the leader has set, or the worst of its units. */
export function applicationStatusOf(model: Model, app: Application): Status {
  if (app.status) return app.status;
  const shown = model
    .unitsOf(app.name)
    .map((unit) => (unit.failed ? failedStatus(model, unit) : unit.workload));
  for (const current of WORST_FIRST) {
    const found = shown.find((candidate) => candidate.current === current);
    if (found) return found;
  }
  return { current: 'unknown', message: '', since: '' };
}

/** What hides the status of a unit whose hook has failed. */
export function failedStatus(model: Model, { failed, app, workload }: Unit): Status {
  const operation = failed?.operation;
  if (operation?.kind !== 'hook') return workload;
  const relation = operation.relation === undefined ? undefined : model.relations.get(operation.relation);
  const other = relation?.endpoints.find((endpoint) => endpoint.app !== app);
  const about = other ? ` for ${other.app}:${other.name}` : '';
  return {
    current: 'error',
    message: `hook failed: "${operation.name}"${about}`,
    since: failed?.since ?? '',
  };
}
