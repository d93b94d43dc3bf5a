import assert from 'node:assert/strict';
import { PassThrough, Writable } from 'node:stream';
import { test } from 'node:test';
import {
  type ProgressDisplay,
  type Snapshot,
  Snapshots,
  Throttle,
} from '../../../src/cli/progress/progress.ts';
import { ProgressBar } from '../../../src/cli/progress/progress-bar.ts';
import { ProgressJson } from '../../../src/cli/progress/progress-json.ts';
import { ProgressLines } from '../../../src/cli/progress/progress-lines.ts';
import { writePace, writePercent } from '../../../src/cli/progress/progress-text.ts';
import { RateMeter } from '../../../src/cli/progress/rate-meter.ts';
import type { Progress } from '../../../src/client/download/options.ts';
import type { TreeProgress } from '../../../src/client/tree/run/totals.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const MIB = 1024 * 1024;

const RECEIVING: Progress = {
  name: 'a.bin',
  phase: 'receiving',
  sizeBytes: 100 * MIB,
  receivedBytes: 0,
  resumedBytes: 0,
  attempt: 1,
  restarts: 0,
};

function snapshot(changes: Partial<Snapshot> = {}): Snapshot {
  return {
    label: 'a.bin',
    fileCount: 1,
    isSingle: true,
    phase: 'receiving',
    sizeBytes: 100 * MIB,
    movedBytes: 50 * MIB,
    resumedBytes: 0,
    rateBytesPerSec: 10 * MIB,
    etaMs: 5_000,
    ...changes,
  };
}

test('lines that a stuck reader does not take are not piled up', () => {
  const stuck = new Writable({ write() {} });
  const lines = new ProgressLines(stuck);
  for (let index = 0; index < 50_000; index++) lines.note(`${index}: `.padEnd(100, '.'));
  assert.ok(stuck.writableLength < 2 * MIB, String(stuck.writableLength));
});

test('the rate is that of the last seconds', () => {
  const meter = new RateMeter();
  for (let second = 0; second <= 20; second++) meter.add(second * 100, second * 1000);
  for (let second = 21; second <= 30; second++) meter.add(2000 + (second - 20) * 10, second * 1000);
  assert.equal(meter.bytesPerSec, 10);
});

test('there is no rate before there is enough to tell', () => {
  const meter = new RateMeter();
  meter.add(0, 0);
  meter.add(1_000_000, 20);
  assert.equal(meter.bytesPerSec, undefined);
});

test('a restart does not make the rate negative', () => {
  const meter = new RateMeter();
  meter.add(0, 0);
  meter.add(5000, 1000);
  meter.add(0, 1100);
  meter.add(1000, 2100);
  assert.equal(meter.bytesPerSec, 1000);
});

test('resumed bytes are progress but not rate', () => {
  const snapshots = new Snapshots();
  snapshots.of({ ...RECEIVING, phase: 'checking' }, totals({}), 0);
  const last = snapshots.of(RECEIVING, totals({ movedBytes: 70 * MIB, resumedBytes: 60 * MIB }), 1000);
  assert.equal(last.movedBytes, 70 * MIB);
  assert.equal(last.rateBytesPerSec, 10 * MIB);
  assert.equal(last.etaMs, 3000);
});

test('one file has its name and the size that it tells itself; several are counted', () => {
  const shown = (changes: Partial<TreeProgress>) => {
    const { isSingle, label, sizeBytes } = new Snapshots().of(RECEIVING, totals(changes), 0);
    return [label, isSingle, sizeBytes];
  };
  assert.deepEqual(shown({ sizeBytes: undefined }), ['a.bin', true, 100 * MIB]);
  assert.deepEqual(shown({ foundFiles: 3, doneFiles: 1, sizeBytes: 7 }), ['1 of 3 files', false, 7]);
  const open = { foundFiles: 1, isPlanComplete: false, sizeBytes: undefined };
  assert.deepEqual(shown(open), ['0 of 1+ files', false, undefined]);
});

test('100 % is said only when all bytes are there', () => {
  assert.equal(writePercent(snapshot({ movedBytes: 100 * MIB - 1 })), '99 %');
  assert.equal(writePercent(snapshot({ movedBytes: 100 * MIB, phase: 'finishing' })), '100 %');
  assert.equal(writePercent(snapshot({ sizeBytes: undefined })), undefined);
  assert.equal(writePercent(snapshot({ sizeBytes: 0, movedBytes: 0, phase: 'finishing' })), '100 %');
});

test('the pace is rate and time left, or what is going on instead', () => {
  assert.deepEqual(writePace(snapshot()), ['10.0 MiB/s', '5s left']);
  assert.deepEqual(writePace(snapshot({ etaMs: 90_000 })), ['10.0 MiB/s', '1m30s left']);
  assert.deepEqual(writePace(snapshot({ phase: 'waiting' })), ['waiting to try again']);
  assert.deepEqual(writePace(snapshot({ phase: 'checking' })), ['checking what an earlier run left']);
});

test('the throttle lets one through in each interval', () => {
  const clock = new FakeClock();
  const throttle = new Throttle(1000, 0, clock.nowMs);
  const passed = [0, 500, 999, 1000, 1500, 2100].filter((atMs) => {
    clock.passTo(atMs);
    return throttle.passes();
  });
  assert.deepEqual(passed, [0, 1000, 2100]);
});

test('plain lines say the start once and then at most one line every ten seconds', () => {
  const shown = shownBy((stream, now) => new ProgressLines(stream, now), 35);
  assert.deepEqual(shown, [
    'a.bin: 100 MiB',
    ...Array(3).fill('a.bin: 50 %, 50.0 MiB of 100 MiB, 10.0 MiB/s, 5s left'),
  ]);
});

test('plain lines say where a resumed file goes on', () => {
  const shown = shownBy((stream, now) => new ProgressLines(stream, now), 1, { resumedBytes: 25 * MIB });
  assert.deepEqual(shown, ['a.bin: resuming at 25.0 MiB of 100 MiB']);
});

test('JSON has at most one progress a second', () => {
  const shown = shownBy((stream, now) => new ProgressJson(stream, now), 3);
  assert.equal(shown.length, 3);
  assert.equal(JSON.parse(String(shown[0])).receivedBytes, 50 * MIB);
});

test('the bar shows the state, writes results above itself and gives the cursor back', () => {
  const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 120 });
  const bar = new ProgressBar(terminal as unknown as NodeJS.WriteStream);
  bar.show(snapshot({ resumedBytes: 25 * MIB }));
  bar.note('b.bin: done');
  bar.close();
  bar.close();
  const text = writtenTo(terminal);
  assert.ok(text.includes('50 %, 50.0 MiB of 100 MiB, 10.0 MiB/s, 5s left, 25.0 MiB resumed'), text);
  assert.ok(text.includes('b.bin: done'), text);
  assert.ok(text.lastIndexOf('\u001b[?25h') > text.lastIndexOf('\u001b[?25l'), text);
});

test('the bar fits every terminal from 20 columns on', () => {
  const snapshots = [
    snapshot({ resumedBytes: 25 * MIB }),
    snapshot({ label: '日本語のとても長いファイル名.tar.gz', durableBytes: 40 * MIB }),
    snapshot({ label: '4096 of 12345+ files', sizeBytes: undefined, etaMs: undefined }),
    snapshot({ label: 'x'.repeat(300), phase: 'waiting' }),
  ];
  for (let columns = 20; columns <= 200; columns += 1) {
    for (const shown of snapshots) {
      const terminal = Object.assign(new PassThrough(), { isTTY: true, columns });
      const bar = new ProgressBar(terminal as unknown as NodeJS.WriteStream);
      bar.show(shown);
      bar.close();
      const pieces = writtenTo(terminal).split('\u001b');
      const line = pieces.map((piece) => piece.replace(/^\[[?\d;]*[a-zA-Z]|[\r\n]/g, '')).join('');
      const width = [...line].reduce((sum, each) => sum + ((each.codePointAt(0) ?? 0) >= 0x3000 ? 2 : 1), 0);
      assert.ok(width > 0 && width < columns, `${columns} columns: ${line}`);
      if (columns >= 100) assert.match(line, /[█▒░]{20} .*10\.0 MiB\/s|waiting/);
    }
  }
});

test('a line above the bar wraps as any other', () => {
  const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 40 });
  const bar = new ProgressBar(terminal as unknown as NodeJS.WriteStream);
  bar.show(snapshot());
  bar.note('long '.repeat(30));
  bar.close();
  const text = writtenTo(terminal);
  const before = text.slice(0, text.indexOf('long long'));
  assert.ok(before.lastIndexOf('\u001b[?7h') > before.lastIndexOf('\u001b[?7l'), before);
  assert.ok(text.lastIndexOf('\u001b[?7h') > text.lastIndexOf('\u001b[?7l'));
});

test('control characters in a name do not reach the terminal', () => {
  const [line] = shownBy((stream, now) => new ProgressLines(stream, now), 1, { label: 'a\u001b[2Jb' });
  assert.equal(line, 'a\\u001b[2Jb: 100 MiB');
});

/** A complete plan of one file, of which nothing has moved. */
function totals(changes: Partial<TreeProgress>): TreeProgress {
  const sizes = { sizeBytes: undefined, movedBytes: 0, resumedBytes: 0 };
  return { foundFiles: 1, isPlanComplete: true, doneFiles: 0, ...sizes, ...changes };
}

/** The lines that a display writes when it is shown the same snapshot ten times a second. */
function shownBy(
  create: (stream: PassThrough, now: () => number) => ProgressDisplay,
  seconds: number,
  changes: Partial<Snapshot> = {},
): string[] {
  const stream = new PassThrough();
  const clock = new FakeClock();
  const display = create(stream, clock.nowMs);
  for (; clock.nowMs() < seconds * 1000; clock.pass(100)) display.show(snapshot(changes));
  display.close();
  return writtenTo(stream).split('\n').slice(0, -1);
}

/** Node 26 reads one piece at a time. */
function writtenTo(stream: PassThrough): string {
  let text = '';
  for (let piece = stream.read(); piece !== null; piece = stream.read()) text += String(piece);
  return text;
}
