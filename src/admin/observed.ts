/** The parts of a server that an operator looks at. */
import type { Counters } from '../base/counters/counters.ts';
import type { Logger } from '../base/logger.ts';
import type { Config } from '../config/schema.ts';
import type { CallPrelude } from '../service/prelude/call-prelude.ts';
import type { LiveUploads } from '../service/uploads/live-uploads.ts';
import type { RecentEvents } from './events.ts';

export interface Observed {
  /** In force now in this process. */
  readonly config: Config;
  /** That of the server, of which a process has its share. */
  readonly whole: Config;
  readonly counters: Counters;
  readonly prelude: Pick<CallPrelude, 'live' | 'places'>;
  readonly uploads: LiveUploads;
  readonly events: RecentEvents;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly startedMs: number;
  /** As a client writes it. */
  address(): string;
  isDraining(): boolean;
}
