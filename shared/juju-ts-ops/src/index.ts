export type { Change } from './apply.ts';
export { backoff } from './backoff.ts';
export { defineAction, defineCharm } from './charm.ts';
export type { ActionHandler, ActionResults, Charm, CharmDefinition, Machine } from './charm.ts';
export { BUILT_IN_ACTIONS, defineEndpoints, defineOptions } from './charmcraft.ts';
export type {
  ActionParams,
  Charmcraft,
  EndpointName,
  Endpoints,
  OptionSchemas,
  Options,
} from './charmcraft.ts';
export { hookCommand } from './context.ts';
export type { Event, HookContext, RelationRef } from './context.ts';
export {
  commaList,
  conninfo,
  defineInterface,
  definePeerInterface,
  flag,
  hidden,
  integer,
  json,
  raw,
  spaceList,
  text,
  yaml,
} from './databag.ts';
export type {
  Bag,
  BagSchema,
  BagValues,
  Codec,
  Interface,
  InterfaceOf,
  NoBag,
  RawBag,
  Side,
} from './databag.ts';
export {
  CharmBugError,
  CharmError,
  HookToolError,
  NotLeaderError,
  WaitingError,
  RelationNotFoundError,
  SecretNotFoundError,
  ToolMissingError,
  ToolTimeoutError,
  undefinedOn,
  UserError,
} from './errors.ts';
export type { EventHandler, EventHandlers, EventSchemas, HookEvents, NoEvents } from './events.ts';
export type { Juju, StorageInstance } from './juju.ts';
export { main, runEvent } from './main.ts';
export type { CheckedOptions, GivenOptions, OptionValues } from './options.ts';
export { defineDatabags } from './plan.ts';
export type { DatabagPlan, Plan } from './plan.ts';
export { Redacted } from './redacted.ts';
export { unitNumber } from './relations.ts';
export type { Relation, RelationUnit } from './relations.ts';
export { SecretLabel } from './secret.ts';
export type { Rotation, SecretPlan, UnitSecretPlan } from './secret.ts';
export { active, blocked, maintenance, waiting, worst, worstFirst } from './status.ts';
export type { Message, Status, StatusLevel } from './status.ts';
export type { HookProcess, ToolResult, ToolRunner } from './process.ts';
export type {
  CloudSpec,
  GoalState,
  NetworkInfo,
  NetworkInterface,
  SecretMetadata,
  ShownStatus,
} from './answers.ts';
export type { HookTools } from './tools.ts';
export type { LogLevel } from './tools/agent.ts';
export type { SecretSettings } from './tools/secrets.ts';
export type { Rolling } from './rolling.ts';
export { isAtLeast } from './version.ts';
