/** The server as a whole, above the tables: totals, slabs, threads. */
import { formatBytes } from '../../base/units.ts';
import type { Places, Slabs, WatchResponse } from '../../wire/admin-messages.ts';
import { writeAge, writeMs, writeShare } from '../../wire/admin-words.ts';
import { type Colors, printable } from '../process/output.ts';
import { cutOff, widthOf } from '../process/text-width.ts';

const LABEL_COLUMNS = 8;

const MAX_BAR_CELLS = 48;

const BETWEEN_FACTS = '  ';

type Paint = (text: string) => string;

/** A part of a bar. */
interface Part {
  readonly count: number;
  readonly cell: string;
  readonly paint: Paint;
}

/** Each at most `columns` wide. */
export function summaryLines(snapshot: WatchResponse, columns: number, colors: Colors): string[] {
  return [
    ...headLines(snapshot, columns, colors),
    ...packed(trafficFacts(snapshot), columns),
    ...packed(loadFacts(snapshot), columns),
    ...slabLine(snapshot.slabs, columns, colors),
    ...threadLine(snapshot, columns, colors),
  ];
}

function headLines({ server, timeMs }: WatchResponse, columns: number, colors: Colors): string[] {
  if (server === null) return [];
  const { address, phase, startedMs, tls, version, writable } = server;
  const isDraining = phase === 'PHASE_DRAINING';
  const facts = [
    `sluice ${printable(version)}`,
    printable(address),
    `up ${writeAge(timeMs - startedMs)}`,
    isDraining ? 'DRAINING: new calls are refused' : 'serving',
    writable ? 'writable' : 'read-only',
    tls ? 'TLS' : 'plaintext',
  ];
  const paint = isDraining ? colors.yellow : colors.bold;
  return packed(facts, columns).map((line) => paint(line));
}

function trafficFacts({ places, totals }: WatchResponse): string[] {
  if (totals === null) return [];
  const { errors, receivedRawBytesPerSec, refusals, sentRawBytesPerSec, stalls, uploads } = totals;
  return [
    `out ${formatBytes(sentRawBytesPerSec)}/s`,
    `in ${formatBytes(receivedRawBytesPerSec)}/s`,
    writeCount(totals.transfers, 'transfer'),
    writeCount(uploads, 'open upload'),
    ...['connections', 'streams', 'uploadStreams'].flatMap((kind) => placesFact(places, kind)),
    writeCount(errors, 'error'),
    writeCount(refusals, 'refusal'),
    writeCount(stalls, 'stall'),
  ];
}

function placesFact(places: readonly Places[], kind: string): string[] {
  const found = places.find((each) => each.kind === kind);
  if (found === undefined) return [];
  const name = kind === 'uploadStreams' ? 'upload streams' : kind;
  return [`${name} ${found.taken}/${found.limit}`];
}

function loadFacts({ eventLoop, memory, pool }: WatchResponse): string[] {
  const facts: string[] = [];
  if (eventLoop !== null && pool !== null) {
    facts.push(
      `cpu: event loop ${writeShare(eventLoop.utilization)}, threads ${writeShare(pool.utilization)}`,
      `event loop late ${writeMs(eventLoop.p50Ms)}, p99 ${writeMs(eventLoop.p99Ms)}`,
    );
  }
  if (memory !== null) {
    facts.push(
      `memory ${formatBytes(memory.rssBytes)}`,
      `transfers hold at most ${formatBytes(memory.boundBytes)}`,
    );
  }
  return facts;
}

function slabLine(slabs: Slabs | null, columns: number, { cyan, dim, red, yellow }: Colors): string[] {
  if (slabs === null) return [];
  const { count, free, leased, quarantined, sending, slabBytes } = slabs;
  const parts = [
    { count: sending, cell: '█', paint: cyan },
    { count: leased, cell: '▓', paint: yellow },
    { count: quarantined, cell: '!', paint: red },
    { count: free, cell: '·', paint: dim },
  ];
  const texts = [
    `${sending} sending, ${leased} leased, ${quarantined} quarantined, ${free} free, ${formatBytes(slabBytes)} each`,
    `${sending} sending, ${leased} leased, ${free} free`,
    `${count - free} of ${count} used`,
  ];
  return [barLine('slabs', parts, texts, columns)];
}

function threadLine({ pool }: WatchResponse, columns: number, { cyan, dim }: Colors): string[] {
  if (pool === null) return [];
  const { deaths, jobMs, jobsOutstanding, jobsWaiting, threads, utilization } = pool;
  const busy = Math.round(utilization * 1000);
  const parts = [
    { count: busy, cell: '█', paint: cyan },
    { count: 1000 - busy, cell: '·', paint: dim },
  ];
  const died = deaths === 0 ? '' : `, ${deaths} died`;
  const jobs = `${writeCount(jobsOutstanding, 'job')}, ${jobsWaiting} waiting`;
  const texts = [
    `${writeShare(utilization)} of ${threads}, ${jobs}, ${writeMs(jobMs)} a job${died}`,
    `${writeShare(utilization)} of ${threads}, ${jobsWaiting} waiting${died}`,
    `${writeShare(utilization)} of ${threads}`,
  ];
  return [barLine('threads', parts, texts, columns)];
}

/** A bar, and behind it the longest of `texts` that leaves ten cells for it. */
function barLine(label: string, parts: readonly Part[], texts: readonly string[], columns: number): string {
  const room = columns - LABEL_COLUMNS - 1;
  const text = texts.find((each) => each.length <= room - 10) ?? texts.at(-1) ?? '';
  const most = label === 'slabs' ? parts.reduce((sum, { count }) => sum + count, 0) : MAX_BAR_CELLS;
  const cells = Math.max(0, Math.min(MAX_BAR_CELLS, most, room - text.length));
  return `${label.padEnd(LABEL_COLUMNS)}${bar(parts, cells)} ${cutOff(text, room - cells)}`;
}

/** What is not nothing has a cell at least, as long as there are enough. */
function bar(parts: readonly Part[], cells: number): string {
  const total = parts.reduce((sum, { count }) => sum + count, 0);
  let left = cells;
  return parts
    .map(({ cell, count, paint }, index) => {
      const share = total === 0 ? 0 : Math.round((count / total) * cells);
      const isLast = index === parts.length - 1;
      const own = isLast ? left : Math.min(left, Math.max(share, count > 0 ? 1 : 0));
      left -= own;
      return own === 0 ? '' : paint(cell.repeat(own));
    })
    .join('');
}

/** `1 error`, `2 errors`. */
function writeCount(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** As many facts in a line as fit. */
function packed(facts: readonly string[], columns: number): string[] {
  const lines: string[] = [];
  for (const fact of facts) {
    const last = lines.at(-1);
    const longer = last === undefined ? undefined : last + BETWEEN_FACTS + fact;
    if (longer !== undefined && widthOf(longer) <= columns) lines[lines.length - 1] = longer;
    else lines.push(cutOff(fact, columns));
  }
  return lines;
}
