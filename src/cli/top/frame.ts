/** One snapshot of a server as the lines of a terminal, whatever its size. */
import { formatBytes } from '../../base/units.ts';
import type { Event, OpenUpload, Transfer, WatchResponse } from '../../wire/admin-messages.ts';
import { directionWord, shareMoved, whySlow, writeAge, writeMs, writeShare } from '../../wire/admin-words.ts';
import { type Colors, printable } from '../process/output.ts';
import { cutOff, shortened } from '../process/text-width.ts';
import { summaryLines } from './summary.ts';
import { type Column, type LastColumn, tableLines } from './table.ts';

export interface View {
  readonly snapshot: WatchResponse;
  /** Those that were told so far, oldest first. */
  readonly events: readonly Event[];
  /** What the user should know: the server is away, for instance. Empty: nothing. */
  readonly note: string;
}

export interface FrameSize {
  readonly columns: number;
  /** Infinity: as many as there are. */
  readonly rows: number;
}

/** The lines that each table has at least while it has rows, with its title. */
const MIN_TRANSFER_LINES = 4;
const MIN_OTHER_LINES = 3;

/** Each at most `columns` wide, and `rows` of them at most. */
export function frameOf({ events, note, snapshot }: View, size: FrameSize, colors: Colors): string[] {
  const { columns, rows } = size;
  const { timeMs, totals, transfers, uploads } = snapshot;
  const summary = summaryLines(snapshot, columns, colors);
  const noted = note === '' ? [] : [colors.yellow(cutOff(printable(note), columns))];
  const tables = [
    tableLines(transfers, TRANSFER_COLUMNS, nameColumn(transfers.length, totals?.transfers ?? 0), columns),
    uploads.length === 0 ? [] : tableLines(uploads, uploadColumns(timeMs), UPLOAD_NAME, columns),
    events.length === 0 ? [] : tableLines(events.toReversed(), EVENT_COLUMNS, EVENT_TEXT, columns),
  ];
  const head = [...summary, ...noted];
  const lines = [...head];
  const room = shares(
    tables.map((table) => (table.length === 0 ? 0 : table.length + 1)),
    rows - head.length,
  );
  tables.forEach((table, index) => {
    // The first is for the empty line above it.
    const shown = table.slice(0, Math.max(0, (room[index] ?? 0) - 1));
    const [title, ...body] = shown;
    if (title !== undefined) lines.push('', colors.bold(title), ...body);
  });
  return lines.slice(0, rows);
}

/** How many of `rows` lines each table gets: its least first, then what it wants, in order. */
function shares(wanted: readonly number[], rows: number): number[] {
  let left = Math.max(0, rows);
  const given = wanted.map((want, index) => {
    const least = Math.min(want, index === 0 ? MIN_TRANSFER_LINES : MIN_OTHER_LINES);
    if (least > left) return 0;
    left -= least;
    return least;
  });
  return given.map((least, index) => {
    if (least === 0) return 0;
    const more = Math.min(left, (wanted[index] ?? 0) - least);
    left -= more;
    return least + more;
  });
}

/** In the order of the line. The ranks leave rate, progress and reason for 40 columns. */
const TRANSFER_COLUMNS: readonly Column<Transfer>[] = [
  { title: 'RATE', width: 10, rank: 0, text: ({ rawBytesPerSec }) => `${formatBytes(rawBytesPerSec)}/s` },
  { title: 'DONE', width: 8, rank: 1, text: writeDone },
  { title: 'SIZE', width: 8, rank: 6, text: ({ size }) => (size === undefined ? '' : formatBytes(size)) },
  { title: 'WINDOW', width: 8, rank: 5, text: ({ windowBytes }) => formatBytes(windowBytes) },
  {
    title: 'RTT',
    width: 7,
    rank: 4,
    text: ({ roundTripMs }) => (roundTripMs === undefined ? '' : writeMs(roundTripMs)),
  },
  { title: 'CODING', width: 8, rank: 7, isLeft: true, text: ({ coding }) => printable(coding) },
  { title: 'SLOW', width: 7, rank: 2, isLeft: true, text: ({ slowBecause }) => whySlow(slowBecause).word },
  { title: 'WHO', width: 18, rank: 3, isLeft: true, text: ({ who }) => printable(who) },
];

function nameColumn(shown: number, all: number): LastColumn<Transfer> {
  const count = shown < all ? `${shown} of ${all} transfers` : all === 1 ? '1 transfer' : `${all} transfers`;
  return { title: count.toUpperCase(), minWidth: 12, text: writeName };
}

function writeDone(transfer: Transfer): string {
  const share = shareMoved(transfer);
  return share === undefined ? formatBytes(transfer.movedBytes) : writeShare(share);
}

function writeName({ direction, method, name, openRequests }: Transfer, width: number): string {
  const arrow = directionWord(direction) === 'upload' ? '↑' : '↓';
  const requests = method === 'Exchange' && openRequests > 1 ? `${openRequests}× ` : '';
  const text = name === '' ? `(${printable(method)})` : printable(name);
  return `${arrow} ${requests}${shortened(text, Math.max(1, width - 2 - requests.length))}`;
}

function uploadColumns(nowMs: number): Column<OpenUpload>[] {
  const since = (thenMs: number) => (thenMs === 0 ? '' : writeAge(nowMs - thenMs));
  return [
    { title: 'STORED', width: 8, rank: 0, text: ({ committedBytes }) => formatBytes(committedBytes) },
    {
      title: 'OF',
      width: 8,
      rank: 2,
      text: ({ expectedSize }) => (expectedSize === undefined ? '' : formatBytes(expectedSize)),
    },
    { title: 'AGE', width: 6, rank: 1, text: ({ startedMs }) => since(startedMs) },
    { title: 'IDLE', width: 6, rank: 3, text: ({ busy, touchedMs }) => (busy ? 'busy' : since(touchedMs)) },
    { title: 'OWNER', width: 18, rank: 4, isLeft: true, text: ({ owner }) => printable(owner) },
  ];
}

const UPLOAD_NAME: LastColumn<OpenUpload> = {
  title: 'UNFINISHED UPLOAD',
  minWidth: 16,
  text: ({ id, name }, width) => shortened(printable(name === '' ? id : name), width),
};

const EVENT_COLUMNS: readonly Column<Event>[] = [
  { title: 'TIME', width: 8, rank: 1, isLeft: true, text: ({ timeMs }) => writeClock(timeMs) },
  { title: 'ERROR', width: 18, rank: 0, isLeft: true, text: ({ code }) => printable(code) },
  { title: 'WHO', width: 18, rank: 2, isLeft: true, text: ({ who }) => printable(who) },
];

const EVENT_TEXT: LastColumn<Event> = {
  title: 'MESSAGE',
  minWidth: 10,
  text: ({ message, method, name }, width) => cutOff(printable(message || name || method), width),
};

/** Of the user's time zone: `14:03:59`. */
function writeClock(epochMs: number): string {
  return new Date(epochMs).toTimeString().slice(0, 8);
}
