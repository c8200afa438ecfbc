export type { LifecycleHook as TestLifecycle } from '../context.ts';
export { checkConsistency, InconsistentStateError } from './consistency.ts';
export { builtCharm } from './dispatch.ts';
export type { BuiltOptions } from './dispatch.ts';
export type { ActionOutcome, Call, LogLine } from './hook-run.ts';
export { recordingMachine } from './machine.ts';
export type { RecordingMachine, Scheduled } from './machine.ts';
export { inProcess } from './run.ts';
export type { InProcessUnit, Outcome, TestUnit } from './run.ts';
export { possibleEvents } from './possible-events.ts';
export type { PossibleEvent } from './possible-events.ts';
export { stateOf } from './state.ts';
export type {
  CloudState,
  NetworkState,
  RelationState,
  SecretGrant,
  SecretRevision,
  SecretState,
  State,
  StatusState,
  StorageState,
  TestEvent,
} from './state.ts';
