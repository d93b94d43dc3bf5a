/**
 * A running server takes over a changed configuration as far as that is possible.
 * Each part that can change while it runs registers here. One line says what has
 * changed, what cannot be used, and which settings take effect after a restart.
 *
 * Invariant: the settings in force make a valid configuration together.
 */
import { Mutex } from '../base/async/mutex.ts';
import { TransferError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { availableMemoryBytes } from '../config/memory/available-memory.ts';
import { writeValue } from '../config/notation.ts';
import { relationProblems } from '../config/relations.ts';
import type { Config } from '../config/schema.ts';
import { SETTINGS, type Setting, settingValue, withSettings } from '../config/settings.ts';

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

/** What a reload has come to, as its line says it. */
interface Outcome {
  /** `limits.streams: 1024 → 512` */
  readonly changed: string[];
  /** What was read from files. */
  readonly news: string[];
  /** What could not be taken over, and why. */
  readonly problems: string[];
  /** Keys of changed settings that take effect after a restart. */
  readonly afterRestart: string[];
}

/** The parts of one server that can change while it runs. */
export class Reload {
  readonly #logger: Logger;
  readonly #parts: Reloadable[] = [];
  readonly #turn = new Mutex();
  readonly #hasOwnStore: boolean;
  #inForce: Config;

  /** @param hasOwnStore the program gave the server a store, which takes memory of its own */
  constructor(config: Config, logger: Logger, hasOwnStore: boolean) {
    this.#logger = logger;
    this.#hasOwnStore = hasOwnStore;
    this.#inForce = config;
  }

  /** The configuration as the server has it now. */
  get inForce(): Config {
    return this.#inForce;
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
    const before = this.#inForce;
    const differing = SETTINGS.filter(
      (setting) => settingValue(config, setting) !== settingValue(before, setting),
    );
    const keys = new Set(this.#parts.flatMap((part) => part.keys));
    const live = differing.filter(({ key }) => keys.has(key));
    const afterRestart = differing.filter(({ key }) => !keys.has(key)).map(({ key }) => key);
    const next = withSettings(before, live, config);
    // Valid with what is new, they need not be so with the settings that stay.
    const problems =
      live.length === 0 ? [] : relationProblems(next, availableMemoryBytes(), this.#hasOwnStore);
    const outcome: Outcome = { changed: [], news: [], problems, afterRestart };
    if (problems.length === 0) for (const part of this.#parts) await this.#renew(part, live, next, outcome);
    this.#log(outcome);
  }

  async #renew(part: Reloadable, live: readonly Setting[], next: Config, outcome: Outcome): Promise<void> {
    const settings = live.filter(({ key }) => part.keys.includes(key));
    try {
      const news = await part.reload(next);
      if (news !== null) outcome.news.push(`${part.what}: ${news}`);
      for (const setting of settings) outcome.changed.push(changeOf(setting, this.#inForce, next));
      this.#inForce = withSettings(this.#inForce, settings, next);
    } catch (reason) {
      outcome.problems.push(`${part.what}: ${TransferError.from(reason).message}`);
    }
  }

  #log(outcome: Outcome): void {
    const fields = Object.fromEntries(Object.entries(outcome).filter(([, texts]) => texts.length > 0));
    const { afterRestart, problems } = outcome;
    if (problems.length > 0) this.#logger.error(fields, 'reloaded, but what cannot be used stays as it was');
    else if (afterRestart.length > 0)
      this.#logger.warn(fields, 'reloaded; some settings take effect after a restart');
    else if (Object.keys(fields).length > 0) this.#logger.info(fields, 'reloaded');
    else this.#logger.info({}, 'reloaded: nothing has changed');
  }
}

function changeOf(setting: Setting, before: Config, after: Config): string {
  const [was, is] = [before, after].map(
    (config) => writeValue(settingValue(config, setting), setting.meta) || 'empty',
  );
  return `${setting.key}: ${was} → ${is}`;
}
