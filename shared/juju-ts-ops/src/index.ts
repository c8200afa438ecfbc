export type { Change } from './apply.ts';
export { defineAction, defineCharm } from './charm.ts';
export type { ActionHandler, ActionResults, Charm, CharmDefinition, Machine } from './charm.ts';
export { BUILT_IN_ACTIONS } from './charmcraft.ts';
export type {
  ActionParams,
  Charmcraft,
  EndpointName,
  Endpoints,
  OptionSchemas,
  Options,
} from './charmcraft.ts';
export type { Event, HookContext, RelationRef } from './context.ts';
export {
  commaList,
  conninfo,
  defineInterface,
  definePeerInterface,
  flag,
  integer,
  json,
  raw,
  spaceList,
  text,
  yaml,
} from './databag.ts';
export type { Bag, BagSchema, BagValues, Codec, Interface, NoBag, RawBag, Side } from './databag.ts';
export {
  CharmBugError,
  CharmError,
  HookToolError,
  NotLeaderError,
  NotYetError,
  RelationNotFoundError,
  SecretNotFoundError,
  ToolMissingError,
  ToolTimeoutError,
  UserError,
} from './errors.ts';
export type { EventHandler, EventHandlers, EventSchemas, HookEvents, NoEvents } from './events.ts';
export { unitNumber } from './juju.ts';
export type {
  CheckedOptions,
  GivenOptions,
  Juju,
  OptionValues,
  Relation,
  RelationUnit,
  StorageInstance,
} from './juju.ts';
export { main, runEvent } from './main.ts';
export type { DatabagPlan, Plan } from './plan.ts';
export { Redacted } from './redacted.ts';
export { OwnSecret } from './secret.ts';
export type { Rotation, SecretPlan, UnitSecretPlan } from './secret.ts';
export { active, blocked, maintenance, waiting, worst, worstFirst } from './status.ts';
export type { Status, StatusLevel } from './status.ts';
export type { Surroundings, ToolResult, ToolRunner } from './process.ts';
export type {
  CloudSpec,
  GoalState,
  HookTools,
  LogLevel,
  NetworkInfo,
  NetworkInterface,
  SecretMetadata,
  SecretSettings,
  ShownStatus,
} from './tools.ts';
export type { Turns } from './turns.ts';
export { isAtLeast } from './version.ts';
