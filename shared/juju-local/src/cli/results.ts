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
  const codes = Object.values(results).map(({ results: { 'return-code': code = 0 } }) => code);
  const exitCode = codes.some((code) => code !== 0) ? 1 : 0;
  switch (format) {
    case 'json':
      return { stdout: line(JSON.stringify(results)), stderr: '', exitCode };
    case 'yaml':
      return { stdout: line(stringify(results)), stderr: '', exitCode };
    case 'plain':
      return { ...plain(results), exitCode };
    default:
      return undefined;
  }
}

function plain(all: z.infer<typeof Results>): Pick<Output, 'stdout' | 'stderr'> {
  const isAlone = Object.keys(all).length === 1;
  const [out, error]: [string[], string[]] = [[], []];
  for (const [unit, { id, status, message = '', log = [], results }] of Object.entries(all)) {
    const { 'return-code': _code, stdout = '', stderr = '', ...own } = results;
    error.push(...log);
    if (!isAlone) out.push(`${unit}:`);
    if (Object.keys(own).length > 0) out.push(stringify(own));
    if (stdout !== '') out.push(stdout);
    if (stderr !== '') error.push(stderr);
    if (status !== 'completed') error.push(`Action id ${id} ${status}: ${message}`);
  }
  return { stdout: out.map(line).join(''), stderr: error.map(line).join('') };
}

function line(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`;
}
