import { z } from 'zod';
import { UsageError } from '../../errors.ts';
import type { Relation } from '../../model/documents.ts';
import { describeEndpoints } from '../../model/endpoints.ts';
import type { Model } from '../../model/model.ts';
import { verb } from '../verb.ts';
import { destroyRelation } from '../../model/removal.ts';

const Pair = z.object({ first: z.string(), second: z.string() });

export const relationVerbs = {
  integrate: verb(Pair, ({ model }, { first, second }) => void model.relate(first, second)),

  'remove-relation': verb(z.union([Pair, z.object({ id: z.int() })]), ({ model }, args) => {
    const relation = 'id' in args ? model.relations.get(args.id) : relationNamed(model, args);
    if (!relation) throw new UsageError(`relation ${'id' in args ? args.id : ''} not found`);
    if (relation.endpoints.length === 1) throw new UsageError('a peer relation cannot be removed');
    destroyRelation(model, relation);
  }),
};

function relationNamed(model: Model, { first, second }: z.infer<typeof Pair>): Relation {
  const { endpoints } = model.inferRelation(first, second);
  const relation = model.findRelation(endpoints);
  if (!relation) throw new UsageError(`relation "${describeEndpoints(endpoints)}" not found`);
  return relation;
}
