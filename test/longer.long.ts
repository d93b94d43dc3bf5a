/**
 * Tests of `npm test` that try random moments and orders, with counts that meet rare ones.
 * The variables say how many; a test's own file says of what.
 */
const COUNTS: Readonly<Record<string, number>> = {
  SLUICE_TEST_DRAINS: 20,
  SLUICE_TEST_KILLS: 100,
  SLUICE_TEST_MODEL_RUNS: 200,
  SLUICE_TEST_RACES: 500,
  SLUICE_TEST_ROTATIONS: 100,
  SLUICE_TEST_ROUNDS: 100,
  SLUICE_TEST_TRIALS: 20,
  SLUICE_TEST_WORLDS: 100,
};

for (const [name, count] of Object.entries(COUNTS)) process.env[name] ??= String(count);

await import('./client/download/kill.test.ts');
await import('./client/download/stripes.test.ts');
await import('./client/exchange/session-model.test.ts');
await import('./client/upload/kill.test.ts');
await import('./e2e/processes/uploads.test.ts');
await import('./e2e/upload-model.test.ts');
await import('./fault/drain.test.ts');
await import('./fault/slab-reuse.test.ts');
await import('./server/certificates.test.ts');
await import('./storage/local/uploads/power-cut.test.ts');
await import('./storage/s3/uploads.test.ts');
