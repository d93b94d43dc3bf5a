/** The smaller tables: open uploads, places, identities, events, settings. */
import { formatBytes } from '../src/base/units.ts';
import type { Event, IdentityUse, OpenUpload, Places, Setting } from '../src/wire/admin-messages.ts';
import { writeAge } from '../src/wire/admin-words.ts';
import { byId, make, setAttribute, setText, shown } from './dom.ts';
import { type Column, LiveTable } from './table.ts';

/** Where an upload has no name, only the disk knows it. */
export function uploadTitle({ id, name }: OpenUpload): string {
  return name === '' ? shown(id) : shown(name);
}

/** @param nowMs by the clock of the server */
export function uploadsTable(
  nowMs: () => number,
  discard: (upload: OpenUpload) => void,
): LiveTable<OpenUpload> {
  const since = (thenMs: number) => (thenMs === 0 ? '–' : writeAge(nowMs() - thenMs));
  const columns: Column<OpenUpload>[] = [
    { title: 'File', kind: 'title', text: uploadTitle },
    { title: 'Owner', kind: 'wide text', text: ({ owner }) => shown(owner) || 'of an earlier process' },
    { title: 'Stored', kind: 'number', text: ({ committedBytes }) => formatBytes(committedBytes) },
    {
      title: 'Size',
      kind: 'number',
      text: ({ expectedSize }) => (expectedSize === undefined ? '–' : formatBytes(expectedSize)),
    },
    { title: 'Age', kind: 'number', text: ({ startedMs }) => since(startedMs) },
    {
      title: 'Last used',
      kind: 'number',
      text: ({ busy, touchedMs }) => (busy ? 'now' : `${since(touchedMs)} ago`),
    },
    { title: 'Expires in', kind: 'number', text: ({ expiresMs }) => writeAge(expiresMs - nowMs()) },
    {
      title: 'Action',
      kind: 'action',
      fill: (cell) => {
        const button = make('button', { type: 'button', class: 'danger' }, 'Discard…');
        cell.append(button);
        let current: OpenUpload;
        button.addEventListener('click', () => discard(current));
        return (upload) => {
          current = upload;
          setAttribute(button, 'aria-label', `Discard… ${uploadTitle(upload)}`);
        };
      },
    },
  ];
  return new LiveTable(byId<HTMLTableElement>('uploads-table'), columns, ({ id }) => id);
}

const PLACE_WORDS: Readonly<Record<string, string>> = {
  uploadStreams: 'upload streams',
  standing: 'standing calls',
  requests: 'requests of Exchanges',
};

export function placesTable(): LiveTable<Places> {
  const columns: Column<Places>[] = [
    { title: 'Of what', text: ({ kind }) => PLACE_WORDS[kind] ?? kind },
    { title: 'Taken', kind: 'number', fill: fillTaken },
    { title: 'Refused', kind: 'number', text: ({ refusals }) => String(refusals) },
    { title: 'Evicted', kind: 'number', text: ({ evictions }) => String(evictions) },
  ];
  return new LiveTable(byId<HTMLTableElement>('places-table'), columns, ({ kind }) => kind);
}

function fillTaken(cell: HTMLElement): (places: Places) => void {
  const text = make('span');
  const bar = make('span', { class: 'bar', 'aria-hidden': 'true' });
  cell.append(text, bar);
  return ({ limit, taken }) => {
    setText(text, `${taken} of ${limit}`);
    bar.style.setProperty('--share', String(limit === 0 ? 0 : Math.min(1, taken / limit)));
  };
}

export function identitiesTable(): LiveTable<IdentityUse> {
  const columns: Column<IdentityUse>[] = [
    { title: 'Who', kind: 'title', text: ({ who }) => shown(who) },
    { title: 'Transfers', kind: 'number', text: ({ transfers }) => String(transfers) },
    { title: 'Rate', kind: 'number', text: ({ rawBytesPerSec }) => `${formatBytes(rawBytesPerSec)}/s` },
    {
      title: 'On the wire',
      kind: 'number',
      text: ({ wireBytesPerSec }) => `${formatBytes(wireBytesPerSec)}/s`,
    },
  ];
  return new LiveTable(byId<HTMLTableElement>('identities-table'), columns, ({ who }) => who);
}

export function eventsTable(): LiveTable<Event> {
  const columns: Column<Event>[] = [
    { title: 'When', kind: 'when', text: ({ timeMs }) => new Date(timeMs).toTimeString().slice(0, 8) },
    {
      title: 'What',
      kind: 'half text',
      fill: (cell) => {
        const code = make('span', { class: 'code' });
        const method = make('span', { class: 'small' });
        cell.append(code, method);
        return (event) => {
          setText(code, shown(event.code));
          setText(method, shown(event.method));
        };
      },
    },
    { title: 'Who', kind: 'wide text', text: ({ peer, who }) => shown(who || peer) },
    {
      title: 'Message',
      kind: 'wide text',
      fill: (cell) => {
        const message = make('span');
        const more = make('span', { class: 'small' });
        cell.append(message, more);
        return (event) => {
          const request = event.requestId === '' ? [] : [`request ${shown(event.requestId)}`];
          const file = event.name === '' ? [] : [shown(event.name)];
          setText(message, shown(event.message));
          setText(more, [...file, ...request].join(', '));
        };
      },
    },
  ];
  return new LiveTable(byId<HTMLTableElement>('events-table'), columns, ({ sequence }) => String(sequence));
}

export function configTable(): LiveTable<Setting> {
  const columns: Column<Setting>[] = [
    { title: 'Setting', text: ({ key }) => key },
    { title: 'Value', kind: 'text value', text: ({ value }) => shown(value) || '(empty)' },
    { title: 'From', text: ({ isDefault }) => (isDefault ? 'default' : 'set') },
  ];
  return new LiveTable(byId<HTMLTableElement>('config-table'), columns, ({ key }) => key);
}
