import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GIB, MIB } from '../../src/base/units.ts';
import { loadConfig } from '../../src/config/load.ts';
import { memoryBoundBytes } from '../../src/config/memory/memory-bound.ts';
import { memoryProblems, relationProblems } from '../../src/config/relations.ts';
import { configSchema } from '../../src/config/schema.ts';

type Input = Parameters<typeof configSchema.parse>[0];

function problemsOf(input: Input, availableBytes = 1024 * GIB): string[] {
  return relationProblems(configSchema.parse(input), availableBytes);
}

test('the defaults hold together for every number of threads', () => {
  for (const threads of [1, 2, 16]) assert.deepEqual(problemsOf({ pool: { threads } }), []);
});

test('a chunk fits a slab', () => {
  assert.deepEqual(problemsOf({ slab: { size: '256KiB' } }), [
    'chunk.maxSize 512KiB is more than slab.size 256KiB; lower chunk.maxSize to 256KiB or raise slab.size to 512KiB',
  ]);
});

test('the default chunk is not above the cap', () => {
  assert.match(
    String(problemsOf({ chunk: { maxSize: '64KiB' } })[0]),
    /^chunk\.size 256KiB is more than chunk\.maxSize 64KiB;/,
  );
});

test('the first message fits a slab', () => {
  const problems = problemsOf({
    slab: { size: '32KiB' },
    chunk: { size: '16KiB', maxSize: '32KiB' },
  });
  assert.match(String(problems[0]), /^stream\.firstMessage 64KiB is more than slab\.size 32KiB;/);
});

test('slabs are enough for the threads, and the message counts them', () => {
  assert.deepEqual(problemsOf({ pool: { threads: 8 }, slab: { count: 10 } }), [
    'slab.count 10 is too few for pool.threads 8: 8 + 1 jobs fill a slab each, and 2 more are ready or being sent; raise slab.count to at least 11',
  ]);
  assert.deepEqual(problemsOf({ pool: { threads: 8 }, slab: { count: 11 } }), []);
});

test('more memory than there is is refused with the sum and a count that fits', () => {
  const input = { pool: { threads: 4 }, slab: { size: '64MiB', count: 4096 } };
  const [problem] = problemsOf(input, 24 * GIB);
  assert.match(String(problem), /slab\.size 64MiB \+ 4KiB for headers\) × slab\.count 4096 = 256 GiB/);
  assert.match(String(problem), /this machine or container has 24\.0 GiB; lower slab\.count to \d+$/);

  const count = Number(/slab\.count to (\d+)$/.exec(String(problem))?.[1]);
  assert.deepEqual(problemsOf({ ...input, slab: { ...input.slab, count } }, 24 * GIB), []);
  assert.equal(problemsOf({ ...input, slab: { ...input.slab, count: count + 1 } }, 24 * GIB).length, 1);
});

for (const name of ['streams', 'calls', 'connections'] as const) {
  test(`when limits.${name} hold the most, the remedy is the largest limit that fits`, () => {
    const input = { pool: { threads: 4 }, limits: { [name]: 1_000_000 } };
    const [problem] = problemsOf(input, GIB);
    const limit = Number(new RegExp(`lower limits\\.${name} to (\\d+)$`).exec(String(problem))?.[1]);
    assert.deepEqual(problemsOf({ ...input, limits: { [name]: limit } }, GIB), []);
    assert.equal(problemsOf({ ...input, limits: { [name]: limit + 1 } }, GIB).length, 1);
  });
}

test('a machine that is too small by far gets a remedy too', () => {
  for (const availableBytes of [400 * MIB, 200 * MIB, 50 * MIB]) {
    const [problem] = problemsOf({ writable: true, pool: { threads: 4 } }, availableBytes);
    assert.match(String(problem), /; lower [\w.]+/);
  }
});

test('trusted proxies are addresses and blocks of addresses', () => {
  assert.deepEqual(problemsOf({ limits: { trustedProxies: '10.0.0.0/8, ::1,192.0.2.7' } }), []);
  assert.deepEqual(problemsOf({ limits: { trustedProxies: '10.0.0.0/8, proxy.example' } }), [
    'limits.trustedProxies: proxy.example is neither an address nor a block of addresses; write 192.0.2.7 or 10.0.0.0/8',
  ]);
});

test('when the windows of uploads hold the most, the remedy is a smaller budget of them', () => {
  const input = { writable: true, pool: { threads: 4 }, limits: { uploadStreams: 10 } };
  const uploads = { windowBudget: '4GiB', maxWindow: '1GiB' };
  const [problem] = problemsOf({ ...input, uploads }, GIB);
  const size = /lower uploads\.windowBudget and uploads\.maxWindow to (\S+)$/.exec(String(problem))?.[1];
  const smaller = { windowBudget: String(size), maxWindow: String(size) };
  assert.deepEqual(problemsOf({ ...input, uploads: smaller }, GIB), []);
});

test('when uploads hold the most, the remedy is fewer of them', () => {
  const input = { writable: true, pool: { threads: 4 } };
  const [problem] = problemsOf({ ...input, limits: { uploadStreams: 100_000 } }, GIB);
  const uploadStreams = Number(/lower limits\.uploadStreams to (\d+)$/.exec(String(problem))?.[1]);
  assert.deepEqual(problemsOf({ ...input, limits: { uploadStreams } }, GIB), []);
});

test('a window of uploads is none, or at least that of every HTTP/2 stream', () => {
  assert.deepEqual(problemsOf({ uploads: { window: 0 } }), []);
  assert.deepEqual(problemsOf({ uploads: { window: 65_535 } }), []);
  assert.deepEqual(problemsOf({ uploads: { window: '1KiB' } }), [
    'uploads.window 1KiB is less than every HTTP/2 stream begins with; raise it to at least 65535, or set it to 0 to follow the link',
  ]);
});

test('windows that follow the link fit the budget they share; a size of their own needs none', () => {
  const uploads = { maxWindow: '64MiB', windowBudget: '32MiB' };
  assert.deepEqual(problemsOf({ uploads }), [
    'uploads.maxWindow 64MiB is more than uploads.windowBudget 32MiB; lower uploads.maxWindow to 32MiB or raise uploads.windowBudget to 64MiB',
  ]);
  assert.deepEqual(problemsOf({ uploads: { ...uploads, window: '1MiB' } }), []);
});

test('the memory of uploads is the budget of windows that follow the link, or the windows themselves', () => {
  const uploadLine = (window: number) =>
    memoryBoundBytes(
      configSchema.parse({ writable: true, limits: { uploadStreams: 10 }, uploads: { window } }),
    ).lines.uploads;
  // Eight more may have lost their places and still hold something.
  assert.equal(uploadLine(0)?.bytes, 128 * MIB + 18 * (65_535 + 656 * 1024));
  assert.match(String(uploadLine(0)?.arithmetic), /^uploads\.windowBudget 128MiB \+ \(65535 \+/);
  assert.equal(uploadLine(MIB)?.bytes, 18 * (MIB + 656 * 1024));
});

test('uploads to a store of the caller take two slabs a thread and one more', () => {
  const config = (writable: boolean) =>
    configSchema.parse({ writable, pool: { threads: 3 }, slab: { size: '1MiB' } });
  const local = memoryBoundBytes(config(true));
  const given = memoryBoundBytes(config(true), true);
  assert.equal(given.total - local.total, 7 * MIB);
  assert.deepEqual(memoryBoundBytes(config(false), true), memoryBoundBytes(config(false)));
  assert.deepEqual(memoryProblems(config(true), local.total), []);
  assert.match(
    String(memoryProblems(config(true), local.total, true)),
    /slab\.size 1MiB × \(2 × pool\.threads 3 \+ 1\)/,
  );
});

test('the memory bound is the sum of its lines', () => {
  const bound = memoryBoundBytes(configSchema.parse({ slab: { size: '1MiB', count: 10 } }));
  assert.equal(bound.lines.slabs.bytes, 10 * (MIB + 4096));
  const sum = Object.values(bound.lines).reduce((bytes, line) => bytes + line.bytes, 0);
  assert.equal(bound.total, sum);
});

test('operators are listened to beyond loopback only with access rules, and with TLS or a loud insecure', () => {
  const open = { admin: { listen: ':50052' } };
  const tls = { cert: 'c.pem', key: 'k.pem' };
  assert.match(
    problemsOf(open).join('\n'),
    /without access rules.*set access .*\n.*set tls\.cert and tls\.key, or say --insecure/,
  );
  assert.match(problemsOf({ ...open, tls }).join('\n'), /^admin\.listen .* set access/);
  assert.match(problemsOf({ ...open, access: 'a.yaml' }).join('\n'), /^admin\.listen .* say --insecure/);
  assert.deepEqual(problemsOf({ ...open, access: 'a.yaml', insecure: true }), []);
  assert.deepEqual(problemsOf({ ...open, access: 'a.yaml', tls }), []);
  for (const listen of ['off', 'localhost:50052', 'unix:/run/sluice/admin.sock'])
    assert.deepEqual(problemsOf({ admin: { listen } }), []);
  assert.match(String(problemsOf({ admin: { listen: 'nowhere' } })[0]), /^admin\.listen: .*; or off$/);
});

test('an address that others can reach needs TLS or a loud insecure', () => {
  const open = { listen: '0.0.0.0:50051' };
  assert.match(String(problemsOf(open)[0]), /set tls\.cert and tls\.key .* or say --insecure/);
  assert.deepEqual(problemsOf({ ...open, insecure: true }), []);
  assert.deepEqual(problemsOf({ ...open, tls: { cert: 'c.pem', key: 'k.pem' } }), []);
});

test('an address that only this machine can reach needs nothing', () => {
  for (const listen of [
    '127.0.0.1:0',
    '127.9.9.9:1',
    '[::1]:50051',
    'localhost:50051',
    'unix:/run/sluice.sock',
  ]) {
    assert.deepEqual(problemsOf({ listen }), [], listen);
  }
});

test('certificate and key come together', () => {
  assert.match(
    String(problemsOf({ tls: { cert: 'c.pem' } })[0]),
    /tls\.cert is set to c\.pem but tls\.key is not/,
  );
  assert.match(
    String(problemsOf({ tls: { key: 'k.pem' } })[0]),
    /tls\.key is set to k\.pem but tls\.cert is not/,
  );
  assert.match(
    String(problemsOf({ tls: { clientCa: 'a.pem' } })[0]),
    /tls\.clientCa asks for client certificates/,
  );
});

test('loadConfig refuses what does not hold together', () => {
  const flags = { 'slab.count': 4, 'pool.threads': 4 };
  assert.throws(() => loadConfig({ flags, availableBytes: GIB }), {
    code: 'INVALID_CONFIG',
    message: /raise slab\.count to at least/,
  });
});
