import { CommandLineError } from '../errors.ts';
import { commands } from './commands.ts';

process.exitCode = await main(process.argv.slice(2));

/** Runs one command and returns its exit code, as juju's: 1 for a failure, 2 for a command line that cannot be meant. */
async function main([name = 'help', ...args]: readonly string[]): Promise<number> {
  const [first] = args;
  const isHelp = ['help', '--help', '-h'].includes(name);
  const asked = isHelp ? first : name;
  const command = Object.entries(commands).find(([known]) => known === asked)?.[1];
  if (!command) {
    if (asked !== undefined) console.error(`ERROR "${asked}" is not a juju-local command\n`);
    (asked === undefined ? console.log : console.error)(help());
    return asked === undefined ? 0 : 2;
  }
  if (isHelp || first === '--help' || first === '-h') {
    console.log(`usage: juju-local ${command.usage}\n\n${command.summary}`);
    return 0;
  }
  try {
    return await command.run(args);
  } catch (error) {
    console.error(`ERROR ${error instanceof Error ? error.message : String(error)}`);
    return error instanceof CommandLineError ? 2 : 1;
  }
}

function help(): string {
  const names = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(20)}${summary}`);
  return `juju-local: a Juju model on this machine\n\nusage: juju-local <command> [-m <model>] ...\n\n${names.join('\n')}\n\njuju-local help <command> says more.`;
}
