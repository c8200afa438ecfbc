import { z } from 'zod';
import { CloudAnswer, GoalAnswer, Strings, type CloudSpec, type GoalState } from '../answers.ts';
import { Redacted } from '../redacted.ts';
import type { Caller } from './caller.ts';

/** What the model has for the unit: storage, resources, the units that there are going to be, the cloud. */
export function modelTools({ ask, run }: Caller) {
  return {
    /** The instances of a storage, `["data/0"]`, or of all. */
    async storageList(name?: string): Promise<readonly string[]> {
      return ask(Strings, 'storage-list', name === undefined ? [] : [name]);
    },

    async storageGet(instance: string): Promise<{ readonly kind: string; readonly location: string }> {
      return ask(z.object({ kind: z.string(), location: z.string() }), 'storage-get', ['-s', instance]);
    },

    /** Asks for more instances of a storage. They come later, each with its `storage-attached` hook. */
    async storageAdd(name: string, count = 1): Promise<void> {
      await run('storage-add', [`${name}=${count}`]);
    },

    /** The path of the file that the user gave as a resource. */
    async resourceGet(name: string): Promise<string> {
      return (await run('resource-get', [name])).trim();
    },

    async goalState(): Promise<GoalState> {
      const { units, relations } = await ask(GoalAnswer, 'goal-state', []);
      return { units: units ?? {}, relations: relations ?? {} };
    },

    /** @throws {HookToolError} `permission denied`, unless the user said `juju trust`. */
    async credentialGet(): Promise<CloudSpec> {
      const answer = await ask(CloudAnswer, 'credential-get', []);
      const { type, name, region, endpoint, credential } = answer;
      const identityEndpoint = answer['identity-endpoint'];
      const storageEndpoint = answer['storage-endpoint'];
      const authType = credential?.['auth-type'];
      return {
        type,
        name,
        ...(region !== undefined && { region }),
        ...(endpoint !== undefined && { endpoint }),
        ...(identityEndpoint !== undefined && { identityEndpoint }),
        ...(storageEndpoint !== undefined && { storageEndpoint }),
        caCertificates: answer.cacertificates ?? [],
        skipsTlsVerify: answer['skip-tls-verify'],
        isControllerCloud: answer['is-controller-cloud'],
        ...(authType !== undefined && { authType }),
        attributes: Object.fromEntries(
          Object.entries(credential?.attrs ?? {}).map(([key, value]) => [key, new Redacted(value)]),
        ),
      };
    },
  };
}
