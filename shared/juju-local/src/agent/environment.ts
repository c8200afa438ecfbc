import type { Operation, Unit } from '../model/documents.ts';
import type { Model } from '../model/model.ts';
import type { HookContext } from './context.ts';

/** The Juju that a model behaves like. */
export function jujuVersion(model: Model): string {
  return model.isJuju4 ? '4.1.0' : '3.6.28';
}

/** `maas-region/0` → `unit-maas-region-0` */
export function unitTag(unit: string): string {
  return `unit-${unit.replace('/', '-')}`;
}

/** Where a unit's charm is unpacked, as the machine sees it. */
export function charmDirectory(unit: string): string {
  return `/var/lib/juju/agents/${unitTag(unit)}/charm`;
}

/** `hooks/install`, `actions/backup`; empty for commands. */
export function dispatchPath(operation: Operation): string {
  if (operation.kind === 'exec') return '';
  return `${operation.kind === 'action' ? 'actions' : 'hooks'}/${operation.name}`;
}

/** Everything that a charm finds in its environment, which begins empty: there is no HOME, no USER, no SHELL. */
export function hookEnvironment(model: Model, context: HookContext): Record<string, string> {
  const { unit, operation, task, id } = context;
  const environment: Record<string, string> = {
    JUJU_CONTEXT_ID: id,
    JUJU_AGENT_SOCKET_ADDRESS: '/var/lib/juju/agent.socket',
    JUJU_AGENT_SOCKET_NETWORK: 'unix',
    JUJU_UNIT_NAME: unit.name,
    JUJU_CHARM_DIR: charmDirectory(unit.name),
    CHARM_DIR: charmDirectory(unit.name),
    JUJU_MODEL_NAME: model.settings.name,
    JUJU_MODEL_UUID: model.settings.uuid,
    JUJU_API_ADDRESSES: '127.0.0.1:17070',
    JUJU_MACHINE_ID: unit.machine,
    JUJU_PRINCIPAL_UNIT: unit.principal ?? '',
    JUJU_AVAILABILITY_ZONE: '',
    JUJU_VERSION: jujuVersion(model),
    ...(model.isJuju4
      ? {
          JUJU_CHARM_TRACE_CONFIG_HTTP: '',
          JUJU_CHARM_TRACE_CONFIG_GRPC: '',
          JUJU_CHARM_TRACE_CONFIG_CA_CERT: '',
        }
      : { JUJU_SLA: '' }),
    CLOUD_API_VERSION: '',
    JUJU_CHARM_HTTP_PROXY: '',
    JUJU_CHARM_HTTPS_PROXY: '',
    JUJU_CHARM_FTP_PROXY: '',
    JUJU_CHARM_NO_PROXY: '',
    JUJU_HOOK_NAME: operation.kind === 'hook' ? operation.name : '',
    PATH: `/var/lib/juju/tools/${unitTag(unit.name)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    LANG: 'C.UTF-8',
    TERM: 'tmux-256color',
    DEBIAN_FRONTEND: 'noninteractive',
    APT_LISTCHANGES_FRONTEND: 'none',
  };
  if (operation.kind === 'exec') return environment;
  environment['JUJU_DISPATCH_PATH'] = dispatchPath(operation);
  if (operation.kind === 'action') {
    environment['JUJU_ACTION_NAME'] = operation.name;
    environment['JUJU_ACTION_UUID'] = task?.id ?? '';
    environment['JUJU_ACTION_TAG'] = `action-${task?.id ?? ''}`;
    return environment;
  }
  const relation = operation.relation === undefined ? undefined : model.relations.get(operation.relation);
  if (relation) {
    const { name } = model.ownEndpoint(relation, unit.app);
    environment['JUJU_RELATION'] = name;
    environment['JUJU_RELATION_ID'] = `${name}:${relation.id}`;
    environment['JUJU_REMOTE_APP'] = operation.remoteApp ?? '';
    environment['JUJU_REMOTE_UNIT'] = operation.remoteUnit ?? '';
    if (operation.departingUnit !== undefined) environment['JUJU_DEPARTING_UNIT'] = operation.departingUnit;
  }
  if (operation.secret !== undefined) {
    environment['JUJU_SECRET_ID'] = `secret:${operation.secret}`;
    environment['JUJU_SECRET_LABEL'] = labelOf(model, operation.secret, unit);
    if (['secret-expired', 'secret-remove'].includes(operation.name))
      environment['JUJU_SECRET_REVISION'] = String(operation.version ?? '');
  }
  return environment;
}

/** What the owner called its secret, or what its reader calls it. */
function labelOf(model: Model, id: string, { name, app }: Unit): string {
  const secret = model.secrets.get(id);
  const isOwn = secret?.owner === name || secret?.owner === app;
  return (isOwn ? secret?.label : secret?.consumers[name]?.label) ?? '';
}
