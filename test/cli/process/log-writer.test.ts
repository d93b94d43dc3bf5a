import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { LogWriter } from '../../../src/cli/process/log-writer.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { until } from '../../support/until.ts';

const skip = process.platform === 'linux' ? false : 'only Linux has /dev/full, and FIFOs that open for both';
const MAX_BYTES = 256 * 1024;

/** 100 bytes. */
const lineOf = (index: number) => `${`line ${index} `.padEnd(99, '.')}\n`;

test('a reader that stops costs whole lines, which are counted and told of when it goes on', {
  skip,
}, async (t) => {
  const path = join(scratchDirectory(t), 'fifo');
  spawnSync('mkfifo', [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  t.after(() => closeSync(fd));
  const told: number[] = [];
  const writer = new LogWriter(fd, {
    maxBytes: MAX_BYTES,
    retryMs: 1,
    onResumed: (lines) => told.push(lines),
  });
  const written = 10_000;
  for (let index = 0; index < written; index++) writer.write(lineOf(index));
  assert.ok(writer.droppedLines > 0);

  const buffer = Buffer.alloc(MAX_BYTES);
  let text = '';
  const drain = () => {
    try {
      text += buffer.toString('latin1', 0, readSync(fd, buffer));
    } catch {
      // Nothing there at the moment.
    }
    return told.length > 0;
  };
  await until('the writer says that lines were dropped', drain);
  drain();
  assert.deepEqual(told, [writer.droppedLines]);
  const passed = written - writer.droppedLines;
  assert.equal(text, Array.from({ length: passed }, (_, index) => lineOf(index)).join(''));

  writer.write('afterwards\n');
  writer.flush();
  await until('the pipe has the last line', () => drain() && text.endsWith('.\nafterwards\n'));
});

test('a full disk keeps no process waiting: not the writer, not its end', { skip }, async (t) => {
  const fd = openSync('/dev/full', constants.O_WRONLY);
  t.after(() => closeSync(fd));
  const writer = new LogWriter(fd, { maxBytes: MAX_BYTES, retryMs: 1, onResumed: () => assert.fail() });
  for (let index = 0; index < 10_000; index++) writer.write(lineOf(index));
  writer.flush();
  assert.ok(writer.droppedLines >= 10_000 - MAX_BYTES / 100);
});
