import type { ToolRunner } from './process.ts';
import { actionTools } from './tools/actions.ts';
import { agentTools } from './tools/agent.ts';
import { callerOf } from './tools/caller.ts';
import { configTools } from './tools/config.ts';
import { modelTools } from './tools/model.ts';
import { networkTools } from './tools/network.ts';
import { payloadTools } from './tools/payloads.ts';
import { portTools } from './tools/ports.ts';
import { relationTools } from './tools/relations.ts';
import { secretTools } from './tools/secrets.ts';
import { statusTools } from './tools/status.ts';
import { unitStateTools } from './tools/unit-state.ts';

// Named, not inferred: the type of what is put together would lose each tool's doc comment in the published package.
export interface HookTools
  extends
    ReturnType<typeof configTools>,
    ReturnType<typeof relationTools>,
    ReturnType<typeof networkTools>,
    ReturnType<typeof statusTools>,
    ReturnType<typeof portTools>,
    ReturnType<typeof unitStateTools>,
    ReturnType<typeof secretTools>,
    ReturnType<typeof modelTools>,
    ReturnType<typeof agentTools>,
    ReturnType<typeof actionTools>,
    ReturnType<typeof payloadTools> {}

/**
 * Juju's hook tools, one function each, with their answers parsed. Nothing is cached here.
 * Every function throws `HookToolError` when Juju refuses, or one of its subclasses where they say so,
 * `ToolTimeoutError` and `ToolMissingError` among them.
 * The tools are described at https://documentation.ubuntu.com/juju/3.6/reference/hook-command/. Those for
 * containers and Kubernetes (`pod-spec-set` and its like) are left out.
 *
 * @param during the unit and the hook, for errors
 * @param stateDirectory the unit's own folder, where secrets that are written pass through; without it none can be
 */
export function hookTools(
  runTool: ToolRunner,
  { during, stateDirectory }: { readonly during?: string; readonly stateDirectory?: string } = {},
): HookTools {
  const caller = callerOf(runTool, during);
  return {
    ...configTools(caller),
    ...relationTools(caller),
    ...networkTools(caller),
    ...statusTools(caller),
    ...portTools(caller),
    ...unitStateTools(caller),
    ...secretTools(caller, stateDirectory),
    ...modelTools(caller),
    ...agentTools(caller),
    ...actionTools(caller),
    ...payloadTools(caller),
  };
}
