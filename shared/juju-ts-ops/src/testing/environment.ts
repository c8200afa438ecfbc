import type { Charmcraft } from '../charmcraft.ts';
import type { RelationState, State, TestEvent } from './state.ts';

/** What Juju puts into the environment of a hook. Nothing else is in it: no HOME, no USER. */
export function environmentOf<C extends Charmcraft>(
  state: State<C>,
  event: TestEvent<C>,
  charmDirectory: string,
): Readonly<Record<string, string>> {
  const { unit, model, machineId, principalUnit = '', jujuVersion } = state;
  const path = dispatchPath(state, event);
  return {
    JUJU_DISPATCH_PATH: path,
    JUJU_HOOK_NAME: path.startsWith('hooks/') ? path.slice('hooks/'.length) : '',
    JUJU_CONTEXT_ID: `${unit}-${path.slice(path.indexOf('/') + 1)}-0123456789abcdef0123456789abcdef`,
    JUJU_UNIT_NAME: unit,
    JUJU_CHARM_DIR: charmDirectory,
    CHARM_DIR: charmDirectory,
    JUJU_MODEL_NAME: model.name,
    JUJU_MODEL_UUID: model.uuid,
    JUJU_API_ADDRESSES: '192.0.2.254:17070',
    JUJU_MACHINE_ID: machineId,
    JUJU_PRINCIPAL_UNIT: principalUnit,
    JUJU_AVAILABILITY_ZONE: '',
    JUJU_VERSION: jujuVersion,
    JUJU_CHARM_HTTP_PROXY: '',
    JUJU_CHARM_HTTPS_PROXY: '',
    JUJU_CHARM_FTP_PROXY: '',
    JUJU_CHARM_NO_PROXY: '',
    LANG: 'C.UTF-8',
    TERM: 'tmux-256color',
    DEBIAN_FRONTEND: 'noninteractive',
    APT_LISTCHANGES_FRONTEND: 'none',
    ...eventVariables(state, event),
  };
}

function dispatchPath<C extends Charmcraft>(state: State<C>, event: TestEvent<C>): string {
  if (typeof event === 'string') return `hooks/${event}`;
  if ('action' in event) return `actions/${event.action}`;
  if ('secret' in event) return `hooks/secret-${event.secret}`;
  if ('storage' in event) return `hooks/${event.instance.split('/')[0] ?? ''}-storage-${event.storage}`;
  return `hooks/${relationOf(state, event.id).endpoint}-relation-${event.relation}`;
}

function eventVariables<C extends Charmcraft>(
  state: State<C>,
  event: TestEvent<C>,
): Readonly<Record<string, string>> {
  if (typeof event === 'string') return {};
  if ('action' in event)
    return { JUJU_ACTION_NAME: event.action, JUJU_ACTION_UUID: '1', JUJU_ACTION_TAG: 'action-1' };
  if ('secret' in event) {
    const secret = state.secrets.find(({ uri }) => uri === event.uri);
    return {
      JUJU_SECRET_ID: event.uri,
      JUJU_SECRET_LABEL: secret?.label ?? '',
      ...(event.revision !== undefined && { JUJU_SECRET_REVISION: String(event.revision) }),
    };
  }
  if ('storage' in event) {
    const storage = state.storage.find(({ instance }) => instance === event.instance);
    return {
      JUJU_STORAGE_ID: event.instance,
      JUJU_STORAGE_LOCATION: storage?.location ?? '',
      JUJU_STORAGE_KIND: storage?.kind ?? 'filesystem',
    };
  }
  const { endpoint, app, id } = relationOf(state, event.id);
  return {
    JUJU_RELATION: endpoint,
    JUJU_RELATION_ID: `${endpoint}:${id}`,
    JUJU_REMOTE_APP: app,
    JUJU_REMOTE_UNIT: event.unit ?? '',
    ...(event.relation === 'departed' && { JUJU_DEPARTING_UNIT: event.departing ?? event.unit ?? '' }),
  };
}

function relationOf<C extends Charmcraft>(state: State<C>, id: number): RelationState<C> {
  const relation = state.relations.find((candidate) => candidate.id === id);
  if (!relation) throw new Error(`the state has no relation ${id}`);
  return relation;
}
