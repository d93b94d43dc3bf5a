/**
 * A running server takes over a changed configuration as far as that is possible.
 * Each part that can change while it runs registers here. For every other
 * setting that has changed one line says that it takes a restart.
 */
import { Mutex } from '../base/async/mutex.ts';
import { TransferError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Config } from '../config/schema.ts';
import { SETTINGS } from '../config/settings.ts';

/** A part of a running server that takes over new settings. */
export interface Reloadable {
  /** What it is, for the log: `certificates`. */
  readonly what: string;
  /** The settings that it takes over, by key. */
  readonly keys: readonly string[];
  /**
   * Takes over its settings, and reads again the files that they name. Throws a TransferError and changes nothing
   * when they cannot be used. Resolves with what a file brought, for the log; null: nothing new.
   */
  reload(config: Config): Promise<string | null>;
}

/** The parts of one server that can change while it runs. */
export class Reload {
  readonly #logger: Logger;
  readonly #parts: Reloadable[] = [];
  readonly #turn = new Mutex();
  /** The value in force of each setting, by key. */
  readonly #inForce: Map<string, unknown>;

  constructor(config: Config, logger: Logger) {
    this.#logger = logger;
    this.#inForce = valuesOf(config);
  }

  /** Makes a part take over what changes from now on. */
  register(part: Reloadable): void {
    this.#parts.push(part);
  }

  /** Never rejects: what cannot be taken over is logged, and stays as it was. */
  async run(config: Config): Promise<void> {
    await this.#turn.run(() => this.#run(config));
  }

  async #run(config: Config): Promise<void> {
    const values = valuesOf(config);
    const changed = [...values.keys()].filter((key) => values.get(key) !== this.#inForce.get(key));
    const live = new Set(this.#parts.flatMap(({ keys }) => keys));
    let isNew = false;
    for (const part of this.#parts) {
      const settings = changed.filter((key) => part.keys.includes(key));
      try {
        const news = await part.reload(config);
        if (news === null && settings.length === 0) continue;
        isNew = true;
        for (const key of settings) this.#inForce.set(key, values.get(key));
        this.#logger.info({ settings, ...(news === null ? {} : { news }) }, `reloaded: ${part.what}`);
      } catch (reason) {
        isNew = true;
        const problem = TransferError.from(reason).message;
        this.#logger.error({ problem }, `not reloaded: ${part.what}; what was in use stays in use`);
      }
    }
    const settings = changed.filter((key) => !live.has(key));
    if (settings.length > 0) this.#logger.warn({ settings }, 'changed settings take effect after a restart');
    else if (!isNew) this.#logger.info({}, 'reloaded: nothing has changed');
  }
}

function valuesOf(config: Config): Map<string, unknown> {
  const tree = config as unknown as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  return new Map(
    SETTINGS.map(({ key, group }) => [
      key,
      group === '' ? tree[key] : tree[group]?.[key.slice(group.length + 1)],
    ]),
  );
}
