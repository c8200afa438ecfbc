export { ActionFailedError, JujuCommandError, WaitError } from './errors.ts';
export { JujuModel } from './model.ts';
export type { CommandRunner, DeployOptions, JujuModelOptions, WaitOptions } from './model.ts';
export type { ActionResult } from './result.ts';
export { areActive, isAnyInError, unitsOf } from './status.ts';
export type { ModelStatus, UnitStatus } from './status.ts';
