import type { Caller } from './caller.ts';

/** Payloads, which only Juju 3.6 has. */
export function payloadTools({ run }: Caller) {
  return {
    /** Juju 3.6 only. @throws {ToolMissingError} */
    async payloadRegister(
      type: string,
      name: string,
      id: string,
      tags: readonly string[] = [],
    ): Promise<void> {
      await run('payload-register', ['--', type, name, id, ...tags]);
    },

    /** Juju 3.6 only. @throws {ToolMissingError} */
    async payloadUnregister(name: string, id: string): Promise<void> {
      await run('payload-unregister', ['--', name, id]);
    },

    /** Juju 3.6 only. @throws {ToolMissingError} */
    async payloadStatusSet(
      name: string,
      id: string,
      status: 'starting' | 'started' | 'stopping' | 'stopped',
    ): Promise<void> {
      await run('payload-status-set', ['--', name, id, status]);
    },
  };
}
