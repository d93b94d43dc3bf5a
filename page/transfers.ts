/** The table of transfers: who, what, how fast, how far, and why it is slow. */
import { formatBytes } from '../src/base/units.ts';
import type { Transfer } from '../src/wire/admin-messages.ts';
import { directionWord, shareMoved, whySlow, writeMs, writeShare } from '../src/wire/admin-words.ts';
import { byId, make, setAttribute, setText, shown } from './dom.ts';
import { type Column, LiveTable } from './table.ts';

/** @param cancel asked for with the button of a row */
export function transfersTable(cancel: (transfer: Transfer) => void): LiveTable<Transfer> {
  const columns: Column<Transfer>[] = [
    { title: 'File', kind: 'title', fill: fillName },
    { title: 'Who', kind: 'half who text', fill: fillWho },
    { title: 'Rate', kind: 'number', text: ({ rawBytesPerSec }) => `${formatBytes(rawBytesPerSec)}/s` },
    { title: 'Progress', kind: 'wide', fill: fillProgress },
    { title: 'Window', kind: 'number', text: ({ windowBytes }) => formatBytes(windowBytes) },
    {
      title: 'Round trip',
      kind: 'number',
      text: ({ roundTripMs }) => (roundTripMs === undefined ? '–' : writeMs(roundTripMs)),
    },
    { title: 'Coding', kind: 'coding', text: ({ coding }) => shown(coding) || '–' },
    { title: 'Slow because of', kind: 'wide text', fill: fillWhy },
    { title: 'Action', kind: 'action', fill: (cell) => fillCancel(cell, cancel) },
  ];
  // Calls of one client may share an id.
  return new LiveTable(byId<HTMLTableElement>('transfers-table'), columns, ({ id, peer, startedMs }) =>
    [id, peer, startedMs].join(' '),
  );
}

/** What a transfer is called: Exchanges and listings may have no file. */
export function titleOf({ method, name }: Transfer): string {
  return name === '' ? method : shown(name);
}

function fillName(cell: HTMLElement): (transfer: Transfer) => void {
  const name = make('span');
  const kind = make('span', { class: 'small' });
  cell.append(name, kind);
  return (transfer) => {
    const { direction, method, openRequests } = transfer;
    const word = directionWord(direction);
    const arrow = word === 'upload' ? '↑' : '↓';
    const requests = method === 'Exchange' ? `, Exchange with ${openRequests} open requests` : '';
    setText(name, titleOf(transfer));
    setText(kind, `${arrow} ${method === 'ListFiles' ? 'listing' : word}${requests}`);
  };
}

function fillWho(cell: HTMLElement): (transfer: Transfer) => void {
  const who = make('span');
  const peer = make('span', { class: 'small' });
  cell.append(who, peer);
  return (transfer) => {
    setText(who, shown(transfer.who));
    // An address as such says nothing new.
    const { peer: from, who: name } = transfer;
    setText(
      peer,
      from.startsWith(`${name}:`) ? `port ${from.slice(name.length + 1)}` : `from ${shown(from)}`,
    );
  };
}

function fillProgress(cell: HTMLElement): (transfer: Transfer) => void {
  const text = make('span', { class: 'share' });
  const amount = make('span', { class: 'amount' });
  const bar = make('span', { class: 'bar', 'aria-hidden': 'true' });
  cell.append(text, ' ', amount, bar);
  return (transfer) => {
    const share = shareMoved(transfer);
    const moved = formatBytes(transfer.movedBytes);
    setText(text, share === undefined ? moved : writeShare(share));
    setText(
      amount,
      transfer.size === undefined ? 'of an unknown size' : `${moved} of ${formatBytes(transfer.size)}`,
    );
    bar.hidden = share === undefined;
    bar.style.setProperty('--share', String(share ?? 0));
  };
}

function fillWhy(cell: HTMLElement): (transfer: Transfer) => void {
  const word = make('span');
  const meaning = make('span', { class: 'small' });
  cell.append(word, ' ', meaning);
  return ({ slowBecause }) => {
    const why = whySlow(slowBecause);
    setText(word, why.word || '–');
    setAttribute(word, 'class', why.word === 'fast' ? 'why fast' : why.word === '' ? 'why' : 'why slow');
    setText(meaning, why.meaning);
  };
}

function fillCancel(cell: HTMLElement, cancel: (transfer: Transfer) => void): (transfer: Transfer) => void {
  const button = make('button', { type: 'button', class: 'danger' }, 'Cancel…');
  cell.append(button);
  let current: Transfer;
  button.addEventListener('click', () => cancel(current));
  return (transfer) => {
    current = transfer;
    setAttribute(button, 'aria-label', `Cancel… ${titleOf(transfer)}, ${shown(transfer.who)}`);
  };
}
