import { stringify } from 'yaml';
import { z } from 'zod';

const Results = z.record(
  z.string(),
  z.looseObject({
    id: z.string(),
    status: z.string(),
    message: z.string().optional(),
    log: z.array(z.string()).optional(),
    results: z.looseObject({
      'return-code': z.int().optional(),
      stdout: z.string().optional(),
      stderr: z.string().optional(),
    }),
  }),
);

/** What a command prints and exits with. */
export interface Output {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/**
 * The results of actions or commands, as `juju run` shows them (cmd/juju/action/common.go): it exits with 1 only if a
 * process did not end well, so not after an action-fail alone.
 * @returns undefined when there is no such format
 */
export function showResults(answer: unknown, format: string): Output | undefined {
  const results = Results.parse(answer);
  const failed = Object.values(results).flatMap(({ id, results: { 'return-code': code = 0 } }) =>
    code === 0 ? [] : [` - id "${id}" with return code ${code}`],
  );
  const exitCode = failed.length > 0 ? 1 : 0;
  const plural = failed.length > 1 ? 's' : '';
  const problem =
    failed.length > 0
      ? `ERROR the following task${plural} failed:\n${failed.join('\n')}\n\nuse 'juju show-task' to inspect the failure${plural}\n`
      : '';
  // Of an operation without a task nothing is shown, in no format.
  if (Object.keys(results).length === 0 && ['json', 'yaml', 'plain'].includes(format))
    return { stdout: '', stderr: '', exitCode: 0 };
  switch (format) {
    case 'json':
      return { stdout: line(JSON.stringify(results)), stderr: problem, exitCode };
    case 'yaml':
      return { stdout: line(stringify(results)), stderr: problem, exitCode };
    case 'plain': {
      const { stdout, stderr } = plain(results);
      return { stdout, stderr: stderr + problem, exitCode };
    }
    default:
      return undefined;
  }
}

function plain(all: z.infer<typeof Results>): Pick<Output, 'stdout' | 'stderr'> {
  const [only, ...others] = Object.values(all);
  // Several are told apart, without what their processes said.
  if (others.length > 0) {
    const shown = Object.entries(all).map(([unit, { id, status, message, results }]) => {
      const output = ownResults(results);
      return [unit, { id, ...(message !== undefined && { message }), output, status }];
    });
    return { stdout: stringify(Object.fromEntries(shown)), stderr: '' };
  }
  if (!only) return { stdout: '', stderr: '' };
  const { id, status, message = '', log = [], results } = only;
  const { stdout = '', stderr = '' } = results;
  const out = [ownResults(results), stdout].filter((text) => text !== '');
  const error = [...log, ...(stderr === '' ? [] : [stderr])];
  if (status !== 'completed') error.push(`Action id ${id} ${status}: ${message}`);
  return { stdout: out.map(line).join(''), stderr: error.map(line).join('') };
}

/** What an action has set, beside what its process said. */
function ownResults(results: z.infer<typeof Results>[string]['results']): string {
  const { 'return-code': _code, stdout: _stdout, stderr: _stderr, ...own } = results;
  return Object.keys(own).length > 0 ? stringify(own) : '';
}

function line(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`;
}
