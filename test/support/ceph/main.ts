/**
 * `npm run test:s3`: runs `test/s3` against a Ceph that it starts and stops, or
 * against the store of SLUICE_TEST_S3_ENDPOINT with the credentials of the
 * environment. Arguments are the test files to run; default: all of them.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ceph, missingPackages } from './ceph.ts';

/** Seen from dist/test/support/ceph. */
const TESTS = fileURLToPath(new URL('../../s3/', import.meta.url));

const FILE_TIMEOUT_MS = 600_000;

function allTests(): string[] {
  return readdirSync(TESTS, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.s3.js'))
    .sort()
    .map((name) => join(TESTS, name));
}

async function runTests(env: NodeJS.ProcessEnv): Promise<number> {
  const given = process.argv.slice(2);
  const files = given.length > 0 ? given : allTests();
  const options = ['--test', '--test-concurrency=1', `--test-timeout=${FILE_TIMEOUT_MS}`];
  const child = spawn(process.execPath, [...options, ...files], {
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

function environmentOf({ osdPid, s3 }: Ceph): NodeJS.ProcessEnv {
  const { endpoint, accessKeyId, secretAccessKey } = s3;
  return {
    SLUICE_TEST_CEPH_OSD: String(osdPid),
    SLUICE_TEST_S3_ENDPOINT: endpoint,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  };
}

async function runWithCeph(): Promise<number> {
  const missing = missingPackages();
  if (missing.length > 0) {
    const packages = missing.join(' ');
    process.stdout.write(
      `skipped: test:s3 needs Ceph; apt-get install --no-install-recommends ${packages}, or set SLUICE_TEST_S3_ENDPOINT\n`,
    );
    return 0;
  }
  const folder = mkdtempSync(join(tmpdir(), 'sluice-ceph-'));
  try {
    const ceph = await Ceph.start(folder);
    try {
      return await runTests(environmentOf(ceph));
    } finally {
      await ceph.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode =
  process.env.SLUICE_TEST_S3_ENDPOINT === undefined ? await runWithCeph() : await runTests({});
