import { z } from 'zod';
import { UsageError } from '../../errors.ts';
import { Names, verb } from '../verb.ts';
import { destroyApplication, destroyUnit, loseRelations } from '../../model/removal.ts';

export const removalVerbs = {
  'remove-unit': verb(
    Names.extend({ force: z.boolean() }),
    async ({ model, scheduler }, { names, force }, progress) => {
      const units = names.map((name) => model.unit(name));
      const subordinate = units.find(({ principal }) => principal !== undefined);
      if (subordinate)
        throw new UsageError(`unit "${subordinate.name}" is a subordinate, to remove use remove-relation`);
      for (const unit of units) {
        progress(`will remove unit ${unit.name}`);
        if (force && model.isJuju4) {
          await scheduler.forceRemoveAlone(unit);
          continue;
        }
        for (const { name } of model.subordinatesOf(unit.name)) progress(`- will remove unit ${name}`);
        destroyUnit(model, unit);
        if (force) await scheduler.forceRemove(unit);
      }
    },
  ),

  'remove-machine': verb(
    Names.extend({ force: z.boolean() }),
    async ({ model, scheduler }, { names, force }, progress) => {
      const machines = names.map((name) => {
        const { id } = model.machine(name);
        return { id, units: model.unitsOn(id) };
      });
      for (const { id, units } of machines) {
        const [unit] = units;
        if (unit && !force)
          throw new UsageError(`removing machine failed: machine ${id} has unit "${unit.name}" assigned`);
      }
      for (const { id, units } of machines) {
        progress(`will remove machine ${id}`);
        for (const { name } of units) progress(`- will remove unit ${name}`);
        await scheduler.forceRemoveMachine(id);
      }
    },
  ),

  'remove-application': verb(
    Names.extend({ force: z.boolean(), noWait: z.boolean() }),
    async ({ model, scheduler }, { names, force, noWait }, progress) => {
      for (const app of names.map((name) => model.application(name))) {
        progress(`will remove application ${app.name}`);
        for (const { name } of model.unitsOf(app.name)) progress(`- will remove unit ${name}`);
        if (force && noWait && model.isJuju4) loseRelations(model, app);
        destroyApplication(model, app);
        if (force) for (const unit of model.unitsOf(app.name)) await scheduler.forceRemove(unit);
      }
    },
  ),
};
