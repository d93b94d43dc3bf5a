/**
 * The processes of a server, as each of them asks all: whoever is asked by an
 * operator puts the answers together, its own among them. A server is mostly one
 * process, which asks itself.
 */
import type { CounterValues } from '../base/counters/counters.ts';
import type { HistoryPoint, WatchResponse } from '../wire/admin-messages.ts';
import type { WatchLimits } from './watch.ts';

/** What prom-client knows of one process, as its `Registry.getMetricsAsJSON` tells it. */
export type ProcessMetrics = readonly object[];

/** What can be asked, and what each process answers. */
export interface Answers {
  /** A snapshot, with what happened since the last one of this watch; of no watch: `watch` is empty. */
  watch: WatchResponse;
  /** No snapshot of this watch is asked for any more. */
  unwatch: null;
  history: readonly HistoryPoint[];
  metrics: { readonly counters: CounterValues; readonly process: ProcessMetrics };
  /** How many calls were ended. */
  cancel: { readonly cancelled: number; readonly file: string };
}

/** One question; `kind` says which answer it has. */
export type Question =
  | { readonly kind: 'watch'; readonly watch: string; readonly limits: WatchLimits }
  | { readonly kind: 'unwatch'; readonly watch: string }
  | { readonly kind: 'history'; readonly afterMs: number }
  | { readonly kind: 'metrics' }
  | { readonly kind: 'cancel'; readonly id: string };

/** What all processes have counted, and what they are. */
export interface ToldMetrics {
  readonly told: readonly Answers['metrics'][];
  /** What processes that are gone have counted; null: there were none. */
  readonly gone: CounterValues | null;
}

export interface Processes {
  /** Which of them this is, for people; empty where it is the only one. */
  readonly name: string;
  /** Resolves with what those that are there have answered within a few seconds. */
  ask<Kind extends keyof Answers>(question: Question & { kind: Kind }): Promise<Answers[Kind][]>;
  /** What processes that are gone have counted; null: there were none. */
  gone(): CounterValues | null;
}
