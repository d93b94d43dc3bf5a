/** Snapshots on a terminal, until the user quits. */
import { type Logger, silentLogger } from '../../base/logger.ts';
import type { AdminClient } from '../../client/admin-client.ts';
import type { WatchRequest } from '../../wire/admin-messages.ts';
import { ToldEvents } from '../../wire/told-events.ts';
import { colorsFor } from '../process/output.ts';
import { frameOf, type View } from './frame.ts';
import { Screen } from './screen.ts';

export class LiveDisplay {
  readonly #told = new ToldEvents();
  #view: View | undefined;
  #screen: Screen | undefined;

  /** What the client has to say while the server is away is shown above the tables. */
  readonly logger: Logger = {
    ...silentLogger,
    info: (_fields, message) => {
      if (this.#view !== undefined) this.#view = { ...this.#view, note: message };
      this.#draw();
    },
  };

  /** Rejects as `watch` does. Takes the terminal with the first snapshot, so that an earlier failure is seen. */
  async run(
    client: AdminClient,
    request: WatchRequest,
    signal: AbortSignal,
    onQuit: () => void,
  ): Promise<void> {
    process.once('SIGHUP', onQuit);
    try {
      for await (const snapshot of client.watch(request, signal)) {
        this.#view = { snapshot, events: this.#told.with(snapshot), note: '' };
        this.#screen ??= new Screen(process.stdout, process.stdin, { onQuit, onRedraw: () => this.#draw() });
        this.#draw();
      }
    } finally {
      process.off('SIGHUP', onQuit);
      this.#screen?.close();
    }
  }

  #draw(): void {
    if (this.#view === undefined || this.#screen === undefined) return;
    this.#screen.draw(frameOf(this.#view, this.#screen.size, colorsFor(process.stdout)));
  }
}
