/** The head of the page, and the numbers that come first. */
import { formatBytes } from '../src/base/units.ts';
import type { ServerState, WatchResponse } from '../src/wire/admin-messages.ts';
import { writeAge, writeMs, writeShare } from '../src/wire/admin-words.ts';
import { byId, make, setAttribute, setText } from './dom.ts';

/** A number, and what is to be known about it. */
type Fact = readonly [value: string, more: string];

const TILES: readonly (readonly [
  title: string,
  fact: (snapshot: WatchResponse) => Fact | null | undefined,
])[] = [
  ['Sending', ({ totals }) => totals && rateFact(totals.sentRawBytesPerSec, totals.sentWireBytesPerSec)],
  [
    'Receiving',
    ({ totals }) => totals && rateFact(totals.receivedRawBytesPerSec, totals.receivedWireBytesPerSec),
  ],
  [
    'Transfers',
    ({ totals }) => totals && [String(totals.transfers), `${totals.callsPerSec.toFixed(1)} calls/s`],
  ],
  ['Open uploads', ({ totals }) => totals && [String(totals.uploads), '']],
  [
    'Connections',
    ({ places }) => {
      const found = places.find(({ kind }) => kind === 'connections');
      return found && [String(found.taken), `of ${found.limit}`];
    },
  ],
  [
    'Event loop late, p99',
    ({ eventLoop }) => eventLoop && [writeMs(eventLoop.p99Ms), `median ${writeMs(eventLoop.p50Ms)}`],
  ],
  [
    'CPU: event loop',
    ({ eventLoop, pool }) =>
      eventLoop && pool && [writeShare(eventLoop.utilization), `threads ${writeShare(pool.utilization)}`],
  ],
  [
    'Memory',
    ({ memory }) => memory && [formatBytes(memory.rssBytes), `transfers ≤ ${formatBytes(memory.boundBytes)}`],
  ],
  [
    'Errors',
    ({ totals }) => totals && [String(totals.errors), `${totals.refusals} refusals, ${totals.stalls} stalls`],
  ],
];

export class Overview {
  readonly #tiles = TILES.map(([title, fact]) => {
    const value = make('dd', { class: 'value' });
    const more = make('dd', { class: 'small' });
    byId('tiles').append(make('div', {}, make('dt', {}, title), value, more));
    return { fact, value, more };
  });

  show(snapshot: WatchResponse): void {
    for (const { fact, more, value } of this.#tiles) {
      const [text, about] = fact(snapshot) ?? ['–', ''];
      setText(value, text);
      setText(more, about);
    }
    if (snapshot.server !== null) showServer(snapshot.server, snapshot.timeMs);
  }
}

/** What the page knows of its connection, beside the state of the server. */
export function showState(text: string, kind: 'good' | 'warn' | 'bad' | ''): void {
  const badge = byId('state');
  setText(badge, text);
  setAttribute(badge, 'class', `badge ${kind}`);
}

/** Says something, to screen readers too. Said once: what is repeated is not read again. */
export function say(text: string, isProblem = false): void {
  setText(byId('status'), text);
  setAttribute(byId('status'), 'class', isProblem ? 'problem' : '');
}

function rateFact(rawBytesPerSec: number, wireBytesPerSec: number): Fact {
  return [`${formatBytes(rawBytesPerSec)}/s`, `${formatBytes(wireBytesPerSec)}/s wire`];
}

function showServer(server: ServerState, nowMs: number): void {
  const { address, phase, runtime, startedMs, tls, version, writable } = server;
  const isDraining = phase === 'PHASE_DRAINING';
  document.title = `sluice ${address}`;
  setText(byId('address'), address);
  setText(
    byId('facts'),
    `${version} on Node ${runtime}, up ${writeAge(nowMs - startedMs)}, ${writable ? 'writable' : 'read-only'}, ${tls ? 'TLS' : 'plaintext'}`,
  );
  if (isDraining) showState('draining', 'warn');
  else showState('serving', 'good');
}
