/**
 * The signals of requests. Many requests may have one signal: it gets one listener,
 * because Node warns of more than ten and takes longer to remove each.
 */
import type { TransferError } from '../../base/errors.ts';
import { onCancelled } from '../connection/cancellation.ts';

type Listener = (error: TransferError) => void;

interface Watched {
  readonly listeners: Set<Listener>;
  ignore: () => void;
}

export class SignalWatch {
  readonly #watched = new Map<AbortSignal, Watched>();

  /** As `onCancelled`; calls `listener` before it returns where the signal is aborted already. */
  onCancelled(signal: AbortSignal | undefined, listener: Listener): () => void {
    if (signal === undefined) return () => {};
    const watched = this.#watched.get(signal) ?? this.#watch(signal);
    watched.listeners.add(listener);
    if (signal.aborted) onCancelled(signal, listener)();
    return () => {
      watched.listeners.delete(listener);
      if (watched.listeners.size > 0) return;
      watched.ignore();
      this.#watched.delete(signal);
    };
  }

  #watch(signal: AbortSignal): Watched {
    const listeners = new Set<Listener>();
    const watched: Watched = { listeners, ignore: () => {} };
    this.#watched.set(signal, watched);
    watched.ignore = onCancelled(signal, (error) => {
      for (const listener of listeners) listener(error);
    });
    return watched;
  }
}
