import type { HookContext } from 'juju-ts-ops';
import type { Region } from '../region/state.ts';
import { findDnsProblem, isNamedDown } from './dns.ts';
import { findPortConflict } from './port-conflict.ts';
import type { Config } from './state.ts';

export async function readConfig({ removal }: HookContext, { maas, isServing }: Region): Promise<Config> {
  const [dnsProblem, isDown] = await Promise.all([findDnsProblem(maas), isServing && isNamedDown(maas)]);
  const portConflict = removal || (isServing && !isDown) ? undefined : await findPortConflict();
  return {
    ...(portConflict && { portConflict }),
    ...(dnsProblem !== undefined && { dnsProblem }),
    isNamedDown: isDown,
  };
}
