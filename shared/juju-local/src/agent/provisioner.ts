import type { MachineInfo, Machines } from '../machines/machines.ts';
import type { Machine } from '../model/documents.ts';
import { status, type Model } from '../model/model.ts';
import type { ModelLog } from './log.ts';
import type { ToolServers } from './tool-servers.ts';
import { restartAgent } from '../model/removal.ts';

/** How many machines boot at the same time. */
const MOST_BOOTING = 3;

interface ProvisionerParts {
  readonly model: Model;
  readonly machines: Machines;
  readonly log: ModelLog;
  readonly servers: ToolServers;
  readonly now: () => string;
  /** Called when a machine has booted, or has failed to. */
  readonly wake: () => void;
}

/** Boots the machines that the model asks for. */
export class Provisioner {
  readonly #model: Model;
  readonly #machines: Machines;
  readonly #log: ModelLog;
  readonly #servers: ToolServers;
  readonly #now: () => string;
  readonly #wake: () => void;
  readonly #booting = new Set<string>();
  #prepared: Promise<void> | undefined;

  constructor({ model, machines, log, servers, now, wake }: ProvisionerParts) {
    this.#model = model;
    this.#machines = machines;
    this.#log = log;
    this.#servers = servers;
    this.#now = now;
    this.#wake = wake;
  }

  /** Begins to boot what is pending, a few at a time: what then runs. */
  bootPending(): Promise<void>[] {
    const started: Promise<void>[] = [];
    for (const machine of this.#model.machines.values()) {
      if (machine.state !== 'pending' || this.#booting.has(machine.id)) continue;
      if (this.#booting.size >= MOST_BOOTING) continue;
      this.#booting.add(machine.id);
      started.push(this.#boot(machine));
    }
    return started;
  }

  reboot(machine: Machine): void {
    Object.assign(machine, { state: 'pending', message: 'starting', since: this.#now() });
    for (const unit of this.#model.unitsOn(machine.id)) {
      unit.rebooted = unit.started && !unit.stopped;
      restartAgent(this.#model, unit);
    }
  }

  async #boot(machine: Machine): Promise<void> {
    const { id } = machine;
    try {
      this.#prepared ??= this.#machines.prepare((message) => {
        this.#log.write('machines', 'INFO', 'juju-local', message);
        for (const waiting of this.#model.machines.values())
          if (waiting.state === 'pending') waiting.message = message;
      });
      await this.#prepared;
      const info: MachineInfo = await this.#machines.start(id);
      await this.#servers.serve(id);
      if (this.#model.machines.get(id)?.state !== 'pending') {
        // It was powered off or removed while it booted.
        this.#servers.close(id);
        await (this.#model.machines.has(id) ? this.#machines.stop(id) : this.#machines.remove(id));
        this.#booting.delete(id);
        return;
      }
      Object.assign(machine, {
        state: 'started',
        message: 'Running',
        since: this.#now(),
        address: info.address,
        hostname: info.hostname,
      });
      for (const unit of this.#model.unitsOn(id)) {
        unit.agent = status(unit.installed ? 'idle' : 'allocating');
        if (!unit.installed) unit.workload = status('waiting', 'agent initialising');
      }
    } catch (error) {
      this.#prepared = undefined;
      const message = error instanceof Error ? error.message : String(error);
      this.#log.write(`machine-${id}`, 'ERROR', 'juju-local', message);
      Object.assign(machine, { state: 'down', message, since: this.#now() });
    }
    this.#booting.delete(id);
    this.#wake();
  }
}
