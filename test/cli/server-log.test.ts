/** The server serves and stops whatever becomes of its log, and no peer writes to it what it likes. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, constants, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { RawClient } from '../support/peers/raw-client.ts';
import { scratchDirectory, scratchRoot } from '../support/scratch.ts';
import { MAIN, SluiceProcess } from '../support/sluice-process.ts';
import { until, within } from '../support/until.ts';

const READY = /^sluice is ready on (\S+), /;
const skip = process.platform === 'linux' ? false : 'only Linux has /dev/full, and FIFOs that open for both';

/** More lines than a pipe of 64 KiB holds. */
const CALLS = 400;

/** Calls with a wrong name: a connection that sends many more is closed for it. */
const FAULTY_CALLS = 200;

/** Of what is refused, in a window of a second: fifty, and one that says how many more there were. */
const MAX_LINES_A_WINDOW = 51;

async function callMany(client: RawClient, count = CALLS, name = 'absent'): Promise<void> {
  const calls = Array.from({ length: count }, () => client.unary('GetFileSize', { fileName: name }));
  for (const { status, details } of await within('all calls are answered', Promise.all(calls))) {
    assert.ok(['OK', 'NOT_FOUND', 'INVALID_ARGUMENT'].includes(status), `${status}: ${details}`);
  }
}

for (const [what, format, special] of [
  ['is full', 'json', '/dev/full'],
  ['is a pipe that nobody reads', 'pretty', 'fifo'],
] as const) {
  test(`a server whose ${format} log ${what} serves, and stops when it is told to`, { skip }, async (t) => {
    const path = special === 'fifo' ? join(scratchDirectory(t), special) : special;
    if (special === 'fifo') spawnSync('mkfifo', [path]);
    const stderr = openSync(path, constants.O_RDWR);
    t.after(() => closeSync(stderr));
    const args = ['serve', '.', '--listen', '127.0.0.1:0', '--pool-threads', '1', '--log-format', format];
    const server = new SluiceProcess(t, args, { cwd: scratchRoot(t), stderr });
    const [, address] = await server.says(READY);
    const client = new RawClient(String(address));
    t.after(() => client.close());
    // Listings of the root end well, so no line is left out.
    const calls = Array.from({ length: CALLS }, () => client.serverStream('ListFiles', {}).resume());
    const ends = calls.map((call) => new Promise((resolve) => call.on('status', resolve)));
    await within('all calls end', Promise.all(ends));
    server.process.kill('SIGTERM');
    assert.equal((await within('the server ends', server.outcome())).code, 0);
  });
}

test('a peer neither fills the log with a name nor writes control characters to it', async (t) => {
  const args = ['serve', '.', '--listen', '127.0.0.1:0', '--pool-threads', '1'];
  const root = scratchRoot(t);
  const plain = new SluiceProcess(t, args, { cwd: root });
  const pretty = new SluiceProcess(t, [...args, '--log-format', 'pretty'], { cwd: root });
  for (const server of [plain, pretty]) {
    const client = new RawClient(String((await server.says(READY))[1]));
    t.after(() => client.close());
    await callMany(client, FAULTY_CALLS, `\u001b[31m\u009b\u007f\u202e\u2028\r\n"${'n'.repeat(5_000)}`);
    server.process.kill('SIGHUP');
    await server.says(/reloaded: nothing has changed/);
    server.process.kill('SIGTERM');
    const { code, stderr } = await server.outcome();
    assert.equal(code, 0);
    const lines = stderr.split('\n').filter((line) => line.includes('GetFileSize'));
    const sums = lines.filter((line) => line.includes('left out'));
    const leftOut = sums.map((line) => Number(/leftOut":(\d+)/.exec(line)?.[1]));
    assert.equal(lines.length - sums.length + leftOut.reduce((sum, each) => sum + each, 0), FAULTY_CALLS);
    if (server === plain) assertCalm(lines);
    for (const line of lines) assert.ok(line.length < 2_000, line);
    assert.doesNotMatch(stderr.replaceAll('\n', ''), /[\p{Cc}\p{Zl}\p{Bidi_Control}]/u);
    for (const code of ['u001b', 'u009b', 'u007f', 'u202e', 'u2028']) assert.ok(lines[0]?.includes(code));
  }
});

test('warnings of Node and of packages are lines of the log', async (t) => {
  const warn = 'process.on("SIGWINCH", () => process.emitWarning("this Node is old\\nupgrade it"))';
  const server = new SluiceProcess(t, ['serve', '.', '--listen', '127.0.0.1:0', '--pool-threads', '1'], {
    cwd: scratchRoot(t),
    env: { NODE_OPTIONS: `--import ${JSON.stringify(`data:text/javascript,${encodeURIComponent(warn)}`)}` },
  });
  await server.says(READY);
  server.process.kill('SIGWINCH');
  await server.says(/this Node is old/);
  server.process.kill('SIGTERM');
  const lines = (await server.outcome()).stderr.trimEnd().split('\n');
  const messages = lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
  assert.ok(messages.includes('this Node is old\nupgrade it'), messages.join());
});

/** By the times in them: less than a window has lines of two windows at the most. */
function assertCalm(lines: readonly string[]): void {
  const timesMs = lines.map((line) => (JSON.parse(line) as { time: number }).time);
  for (const [index, timeMs] of timesMs.slice(2 * MAX_LINES_A_WINDOW).entries())
    assert.ok(timeMs - (timesMs[index] as number) > 900, `${2 * MAX_LINES_A_WINDOW + 1} lines at once`);
}

const withoutScript =
  spawnSync('script', ['--version']).status === 0 && spawnSync('setsid', ['--version']).status === 0
    ? false
    : 'this machine has no script and setsid commands';

test('a server whose terminal was closed goes on, and ends with 0', {
  skip: skip || withoutScript,
}, async (t) => {
  const directory = scratchDirectory(t);
  const at = (name: string) => join(directory, name);
  const serve = `"${process.execPath}" "${MAIN}" serve "${scratchRoot(t)}" --listen unix:${at('socket')} --json`;
  // In a session of its own, so that the end of the terminal is no signal.
  const inner = `setsid -w sh -c '${serve} & echo $! > ${at('pid')}; wait $!; echo $? > ${at('code')}'`;
  const terminal = spawn('script', ['-qc', inner, '/dev/null'], { stdio: ['ignore', 'pipe', 'ignore'] });
  t.after(() => terminal.kill('SIGKILL'));
  await until('the server listens', () => existsSync(at('socket')));
  const pid = Number(readFileSync(at('pid'), 'utf8'));
  let hasEnded = false;
  t.after(() => hasEnded || process.kill(pid, 'SIGKILL'));
  const client = new RawClient(`unix:${at('socket')}`);
  t.after(() => client.close());
  await callMany(client);
  terminal.kill('SIGKILL');
  await callMany(client);
  process.kill(pid, 'SIGTERM');
  await until('the server has ended', () => existsSync(at('code')));
  hasEnded = true;
  await until('its code is written', () => readFileSync(at('code'), 'utf8') === '0\n', {
    state: () => readFileSync(at('code'), 'utf8'),
  });
});
