import { describeEvent, type HookContext } from './context.ts';
import { NotLeaderError } from './errors.ts';
import type { HookProcess, ToolRunner } from './process.ts';
import { inSources } from './stack.ts';
import { hookTools } from './tools.ts';

/** Logs an error that no user and no time can mend, with its stack in the charm's sources. */
export async function reportBug(
  error: unknown,
  context: HookContext | undefined,
  hookProcess: HookProcess,
): Promise<void> {
  const where = context ? `${context.unit}, ${describeEvent(context.event)}` : 'no Juju environment';
  const stack = causes(error).join('\ncaused by: ');
  const message = `${where}: ${context ? await inSources(stack, context.charmDirectory) : stack}`;
  if (!context) {
    console.error(message);
    return;
  }
  const name = error instanceof NotLeaderError ? `authz_fail:${context.unit},${error.tool}` : 'sys_crash';
  hookProcess.print(securityEvent(name, 'failed', context));
  await hookTools(hookProcess.runTool)
    .jujuLog('ERROR', message)
    .catch(() => hookProcess.print(message));
}

function causes(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return [String(error)];
  const text = error.stack ?? `${error.name}: ${error.message}`;
  return error.cause === undefined ? [text] : [text, ...causes(error.cause)];
}

/** Says which tools make the machine start anew: whoever collects security events wants to know. */
export function watched(hookProcess: HookProcess, context: HookContext): ToolRunner {
  return (tool, args, input) => {
    if (tool === 'juju-reboot')
      hookProcess.print(
        securityEvent(`sys_restart:${context.unit}`, 'asks for a reboot of the machine', context),
      );
    return hookProcess.runTool(tool, args, input);
  };
}

/**
 * A line for whoever collects security events, in the words of OWASP.
 * https://cheatsheetseries.owasp.org/cheatsheets/Logging_Vocabulary_Cheat_Sheet.html
 */
export function securityEvent(name: string, what: string, { unit, model, event }: HookContext): string {
  return JSON.stringify({
    type: 'security',
    datetime: new Date().toISOString(),
    appid: `${model.uuid}-${unit}`,
    event: name,
    level: 'WARN',
    description: `${describeEvent(event)} ${what}`,
  });
}
