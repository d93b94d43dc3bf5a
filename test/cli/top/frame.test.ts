import assert from 'node:assert/strict';
import { test } from 'node:test';
import picocolors from 'picocolors';
import { frameOf } from '../../../src/cli/top/frame.ts';
import type { Event, OpenUpload, Transfer, WatchResponse } from '../../../src/wire/admin-messages.ts';

const MIB = 1024 * 1024;
const PLAIN = picocolors.createColors(false);
const COLORED = picocolors.createColors(true);
const WIDE = { columns: 160, rows: Number.POSITIVE_INFINITY };

const TRANSFER: Transfer = {
  id: 'a1',
  who: '10.0.0.7',
  peer: '10.0.0.7:41000',
  method: 'StreamFile',
  name: 'images/disk.iso',
  direction: 'DIRECTION_DOWNLOAD',
  startedMs: 1_000,
  start: 0,
  size: 100 * MIB,
  movedBytes: 45 * MIB,
  wireBytes: 45 * MIB,
  rawBytesPerSec: 12.3 * MIB,
  wireBytesPerSec: 12.3 * MIB,
  coding: 'identity',
  windowBytes: 8 * MIB,
  inFlightBytes: 0,
  roundTripMs: 0.42,
  slowBecause: 'BOTTLENECK_DISK',
  openRequests: 0,
  uploadId: '',
  codingReason: '',
};

const UPLOAD: OpenUpload = {
  id: 'u1',
  name: 'incoming/video.mp4',
  owner: '10.0.0.8',
  startedMs: 40_000,
  touchedMs: 95_000,
  receivedBytes: 3 * MIB,
  committedBytes: 2 * MIB,
  expectedSize: 90 * MIB,
  expiresMs: 1e9,
  busy: false,
};

const EVENT: Event = {
  sequence: 1,
  timeMs: 90_000,
  method: 'StatFile',
  who: '10.0.0.9',
  peer: '10.0.0.9:5',
  name: 'gone',
  code: 'NOT_FOUND',
  message: 'there is no "gone"',
  requestId: 'r1',
};

const SNAPSHOT: WatchResponse = {
  timeMs: 100_000,
  server: {
    version: '1.2.3',
    runtime: 'v20',
    address: 'files.example.org:50051',
    startedMs: 40_000,
    phase: 'PHASE_SERVING',
    writable: true,
    tls: true,
  },
  totals: {
    transfers: 1,
    uploads: 1,
    sentRawBytes: 0,
    sentWireBytes: 0,
    receivedRawBytes: 0,
    receivedWireBytes: 0,
    sentRawBytesPerSec: 12.3 * MIB,
    sentWireBytesPerSec: 12.3 * MIB,
    receivedRawBytesPerSec: 0,
    receivedWireBytesPerSec: 0,
    calls: 10,
    errors: 2,
    refusals: 3,
    stalls: 4,
    evictions: 0,
    callsPerSec: 1,
  },
  transfers: [TRANSFER],
  slabs: { count: 64, slabBytes: MIB, free: 60, leased: 1, sending: 3, quarantined: 0 },
  pool: {
    threads: 2,
    jobsOutstanding: 1,
    jobsWaiting: 0,
    utilization: 0.5,
    jobsPerSec: 100,
    jobMs: 1.5,
    storageMs: 1,
    deaths: 0,
  },
  eventLoop: { p50Ms: 0.4, p99Ms: 12.3, maxMs: 20, utilization: 0.34 },
  memory: {
    rssBytes: 150 * MIB,
    heapUsedBytes: 0,
    heapTotalBytes: 0,
    externalBytes: 0,
    boundBytes: 800 * MIB,
    windowBytes: 0,
  },
  places: [{ kind: 'connections', taken: 9, limit: 1024, refusals: 0, evictions: 0 }],
  topIdentities: [],
  uploads: [UPLOAD],
  events: [EVENT],
};

function shown(changes: Partial<WatchResponse> = {}, size = WIDE): string {
  const snapshot = { ...SNAPSHOT, ...changes };
  return frameOf({ snapshot, events: snapshot.events, note: '' }, size, PLAIN).join('\n');
}

test('a wide terminal shows the server, each transfer with why it is slow, uploads and errors', () => {
  const text = shown();
  assert.match(text, /^sluice 1\.2\.3 {2}files\.example\.org:50051 {2}up 1m {2}serving {2}writable {2}TLS$/m);
  assert.match(text, /out 12\.3 MiB\/s {2}in 0 B\/s .* connections 9\/1024 .*2 errors {2}3 refusals/);
  assert.match(
    text,
    /event loop 34 %, threads 50 % {2}event loop late 0\.40 ms, p99 12\.3 ms {2}memory 150 MiB/,
  );
  assert.match(text, /^slabs {3}█+▓+·+ 3 sending, 1 leased, 0 quarantined, 60 free/m);
  assert.match(text, /^threads █{24}·{24} 50 % of 2/m);
  assert.match(
    text,
    /^12\.3 MiB\/s +45 % +100 MiB +8\.00 MiB +0\.42 ms +identity +disk +10\.0\.0\.7 +↓ images\/disk\.iso$/m,
  );
  assert.match(text, /^2\.00 MiB +90\.0 MiB +1m +5s +10\.0\.0\.8 +incoming\/video\.mp4$/m);
  assert.match(text, /NOT_FOUND +10\.0\.0\.9 +there is no "gone"$/m);
});

test('everything fits every terminal from 40 columns on, and 40 have rate, progress, reason and name', () => {
  const wide = '日本語のとても長いファイル名.tar.gz';
  const changes = {
    transfers: [TRANSFER, { ...TRANSFER, name: wide, direction: 'DIRECTION_UPLOAD' as const }],
    uploads: [{ ...UPLOAD, name: wide }],
    events: [{ ...EVENT, message: 'long '.repeat(60) }],
  };
  for (let columns = 40; columns <= 220; columns += 1) {
    for (const rows of [3, 12, 17, 24, 50]) {
      const lines = shown(changes, { columns, rows }).split('\n');
      assert.ok(lines.length <= rows, `${lines.length} lines of ${rows}`);
      for (const line of lines) {
        const width = [...line].reduce(
          (sum, each) => sum + ((each.codePointAt(0) ?? 0) >= 0x3000 ? 2 : 1),
          0,
        );
        assert.ok(width <= columns, `${columns} columns: ${line}`);
      }
    }
  }
  assert.match(shown(changes, { columns: 40, rows: 50 }), /^12\.3 MiB\/s +45 % disk {4}↓ …s?\/disk\.iso$/m);
});

test('a low terminal keeps the transfers and lets go of the rest', () => {
  const text = shown({}, { columns: 100, rows: 12 });
  assert.match(text, /↓ images\/disk\.iso/);
  assert.doesNotMatch(text, /NOT_FOUND/);
});

test('names, identities and messages cannot move the cursor or turn the text around', () => {
  const evil = 'a\u001b[2J\u202eb\u009b31m\n';
  const text = shown({
    transfers: [{ ...TRANSFER, name: evil, who: evil, coding: evil }],
    uploads: [{ ...UPLOAD, name: evil, owner: evil }],
    events: [{ ...EVENT, who: evil, code: evil, message: evil }],
  });
  assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\p{Bidi_Control}]/u);
  assert.match(text, /↓ a\\u001b\[2J\\u202eb\\u009b31m\\u000a$/m);
});

test('a draining server and a note stand out', () => {
  const server = {
    ...(SNAPSHOT.server as NonNullable<WatchResponse['server']>),
    phase: 'PHASE_DRAINING' as const,
  };
  const view = { snapshot: { ...SNAPSHOT, server }, events: [], note: 'trying again' };
  const text = frameOf(view, WIDE, COLORED).join('\n');
  assert.match(text, /DRAINING: new calls are refused/);
  assert.ok(text.includes(COLORED.yellow('trying again')));
});

test('what an older or newer server sends differently is left out', () => {
  const none = { server: null, totals: null, slabs: null, pool: null, eventLoop: null, memory: null };
  const { roundTripMs: _, size: __, ...unknown } = TRANSFER;
  const text = shown({ ...none, transfers: [{ ...unknown, slowBecause: 99 }] });
  assert.match(text, /45\.0 MiB .* other .*images\/disk\.iso/);
});
