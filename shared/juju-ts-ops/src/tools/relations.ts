import { z } from 'zod';
import { Strings, Texts } from '../answers.ts';
import type { RawBag } from '../databag.ts';
import type { Caller } from './caller.ts';
import { about, yamlMap } from './command-line.ts';

/** Relations and their databags. */
export function relationTools({ ask, run }: Caller) {
  return {
    /** Ids as Juju prints them: `db:7`. A relation that is being broken is not listed. */
    async relationIds(endpoint: string): Promise<readonly string[]> {
      return ask(Strings, 'relation-ids', [endpoint]);
    },

    /** @throws {RelationNotFoundError} */
    async relationUnits(relation: number): Promise<readonly string[]> {
      return ask(Strings, 'relation-list', ...about(relation));
    },

    /** @throws {RelationNotFoundError} */
    async relationApp(relation: number): Promise<string> {
      return ask(z.string(), 'relation-list', ...about(relation, '--app'));
    },

    /**
     * The databag of a unit (`mysql/0`), or of an application (`mysql`).
     * @throws {RelationNotFoundError}
     * @throws {NotLeaderError} if it is this application's own, and this unit may not read it.
     */
    async relationGet(relation: number, owner: string): Promise<RawBag> {
      const app = owner.includes('/') ? [] : ['--app'];
      return ask(Texts, 'relation-get', ...about(relation, ...app, '-', owner));
    },

    /**
     * Sets keys of an own databag; `""` deletes a key. The values go through stdin.
     * @throws {RelationNotFoundError}
     * @throws {NotLeaderError} for the application's databag, on any unit but the leader.
     */
    async relationSet(relation: number, bag: 'app' | 'unit', values: RawBag): Promise<void> {
      const app = bag === 'app' ? ['--app'] : [];
      const [args, more] = about(relation, ...app, '--file', '-');
      await run('relation-set', args, { ...more, input: yamlMap(values) });
    },

    /** UUID of the model at the other end. @throws {RelationNotFoundError} */
    async relationModel(relation: number): Promise<string> {
      const { uuid } = await ask(z.object({ uuid: z.string() }), 'relation-model-get', ...about(relation));
      return uuid;
    },
  };
}
