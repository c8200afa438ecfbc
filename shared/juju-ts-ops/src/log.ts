import { tools, type LogLevel } from './tools.ts';

/** Says something in `juju debug-log`. Debug lines cost nothing: Juju keeps what a hook prints as debug. */
export async function log(level: LogLevel, message: string): Promise<void> {
  if (level === 'DEBUG') {
    console.log(message);
    return;
  }
  await tools.jujuLog(level, message);
}
