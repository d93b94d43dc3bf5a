/** Slabs and threads as cells, and what they say in words. */
import { formatBytes } from '../src/base/units.ts';
import type { Pool, Slabs } from '../src/wire/admin-messages.ts';
import { writeMs, writeShare } from '../src/wire/admin-words.ts';
import { byId, make, setAttribute, setText } from './dom.ts';

/** With more slabs than this, a cell stands for several. */
const MAX_CELLS = 1024;

const STATES = [
  ['sending', 'on their way to a peer'],
  ['leased', 'being filled or drained'],
  ['quarantined', 'until nobody can touch them'],
  ['free', ''],
] as const;

export class Pictures {
  readonly #slabs = byId('slab-cells');
  readonly #threads = byId('thread-cells');
  readonly #threadFacts = byId('thread-facts');
  readonly #counts = STATES.map(([state, meaning]) => {
    const count = make('b');
    const meant = meaning === '' ? [] : [make('span', { class: 'note' }, ` ${meaning}`)];
    byId('slab-legend').append(make('li', {}, make('i', { class: state }), count, ` ${state}`, ...meant));
    return count;
  });

  showSlabs(slabs: Slabs): void {
    const each = Math.ceil(slabs.count / MAX_CELLS);
    const cells = STATES.flatMap(([state]) =>
      Array.from({ length: Math.ceil(slabs[state] / each) }, () => state),
    );
    withCells(this.#slabs, cells.length);
    cells.forEach((state, index) => {
      setAttribute(this.#slabs.children[index] as Element, 'class', state);
    });
    STATES.forEach(([state], index) => {
      setText(this.#counts[index] as Element, String(slabs[state]));
    });
    const counts = STATES.map(([state]) => `${slabs[state]} ${state}`).join(', ');
    const scale = each === 1 ? '' : `; a cell stands for ${each}`;
    setAttribute(
      this.#slabs,
      'aria-label',
      `${slabs.count} slabs of ${formatBytes(slabs.slabBytes)}: ${counts}${scale}`,
    );
  }

  showThreads(pool: Pool): void {
    const { deaths, jobMs, jobsOutstanding, jobsPerSec, jobsWaiting, storageMs, threads, utilization } = pool;
    withCells(this.#threads, threads);
    for (let index = 0; index < threads; index += 1) {
      const busy = Math.min(1, Math.max(0, utilization * threads - index));
      (this.#threads.children[index] as HTMLElement).style.setProperty('--busy', busy.toFixed(2));
    }
    const count = threads === 1 ? '1 thread' : `${threads} threads`;
    const facts = [
      `${count}, ${writeShare(utilization)} busy: ${jobsOutstanding} jobs under way, ${jobsWaiting} streams wait for a turn.`,
      ...(jobsPerSec === 0
        ? []
        : [
            `${Math.round(jobsPerSec)} jobs/s of ${writeMs(jobMs)}, ${writeMs(storageMs)} of that in the store.`,
          ]),
      ...(deaths === 0 ? [] : [`${deaths} died and were replaced.`]),
    ].join(' ');
    setText(this.#threadFacts, facts);
    setAttribute(
      this.#threads,
      'aria-label',
      `${writeShare(utilization)} of the time of ${threads} threads is work`,
    );
  }
}

function withCells(place: HTMLElement, count: number): void {
  while (place.childElementCount > count) place.lastElementChild?.remove();
  while (place.childElementCount < count) place.append(make('i'));
}
