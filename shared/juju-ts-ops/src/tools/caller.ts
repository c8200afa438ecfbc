import { z } from 'zod';
import {
  HookToolError,
  NotLeaderError,
  RelationNotFoundError,
  SecretNotFoundError,
  ToolMissingError,
  ToolTimeoutError,
  type ToolCall,
} from '../errors.ts';
import type { ToolRunner } from '../process.ts';

/** What goes with a call beside its words. */
export interface More {
  readonly input?: string;
  readonly relation?: number;
}

/** What calls hook tools and reads their answers. */
export function callerOf(runTool: ToolRunner, during: string | undefined) {
  async function run(tool: string, args: readonly string[], more: More = {}): Promise<string> {
    const { stdout, stderr, exitCode, problem } = await runTool(tool, args, more.input);
    if (exitCode === 0) return stdout;
    throw toolError(callOf(tool, exitCode, more), stderr.replace(/^ERROR /, '').trim(), problem);
  }

  function callOf(tool: string, exitCode: number | undefined, { relation }: More = {}): ToolCall {
    return {
      tool,
      ...(exitCode !== undefined && { exitCode }),
      ...(relation !== undefined && { relation }),
      ...(during !== undefined && { during }),
    };
  }

  /** Runs a tool that answers in JSON. */
  async function ask<T>(
    schema: z.ZodType<T>,
    tool: string,
    args: readonly string[],
    more?: More,
  ): Promise<T> {
    const output = await run(tool, ['--format=json', ...args], more);
    let answer: unknown;
    try {
      answer = JSON.parse(output);
    } catch (cause) {
      throw new HookToolError(callOf(tool, 0, more), 'its answer is not JSON', { cause });
    }
    const parsed = schema.safeParse(answer);
    if (parsed.success) return parsed.data;
    throw new HookToolError(
      callOf(tool, 0, more),
      `an answer of an unknown form: ${z.prettifyError(parsed.error)}`,
    );
  }

  return { run, ask };
}

export type Caller = ReturnType<typeof callerOf>;

function toolError(
  call: ToolCall,
  message: string,
  problem: 'missing' | 'timeout' | 'killed' | undefined,
): Error {
  if (problem === 'missing') return new ToolMissingError(call, 'this Juju does not have it');
  if (problem === 'timeout') return new ToolTimeoutError(call, 'no answer in time');
  if (problem === 'killed') return new HookToolError(call, 'it was killed');
  if (/relation not found/.test(message)) return new RelationNotFoundError(call, message);
  if (/not the leader|cannot write (relation|leadership) settings/.test(message))
    return new NotLeaderError(call, message);
  if (call.tool.startsWith('secret-') && /not found|permission denied/.test(message))
    return new SecretNotFoundError(call, message);
  if (call.tool === 'relation-get' && /permission denied/.test(message))
    return new NotLeaderError(call, message);
  return new HookToolError(call, message);
}
