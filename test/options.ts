import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';

/** The options that a program of these folders was called with. Called wrongly, it ends here and says how it is called. */
export function optionsOf<const O extends ParseArgsOptionsConfig>(
  usage: string,
  options: O,
): ReturnType<typeof parseArgs<{ options: O }>>['values'] {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\nusage: ${usage}`);
    process.exit(2);
  }
}
