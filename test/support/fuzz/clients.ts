/** The client library at work: beside attackers, where all must go well, and behind a relay that lies. */
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { TransferError } from '../../../src/base/errors.ts';
import { SluiceClient } from '../../../src/client-library.ts';
import { noise } from '../content.ts';
import type { Random } from '../seed.ts';
import { patient } from '../until.ts';

/** What the server of a fuzzed run has below its root. */
export const FILES: Readonly<Record<string, Buffer>> = {
  file: noise(1, 200_000).bytes(0, 200_000),
  small: noise(2, 700).bytes(0, 700),
  text: Buffer.alloc(60_000, 'all of it gets smaller. '),
  'directory/a': Buffer.from('a'),
  'directory/b': Buffer.alloc(0),
};

const NAMES = Object.keys(FILES);

type Work = (client: SluiceClient, random: Random, folder: string) => Promise<void>;

/** Each asserts that what came is what there is. */
const WORK: readonly Work[] = [
  async (client, random) => {
    const name = random.pick(NAMES);
    const parts: Uint8Array[] = [];
    for await (const part of client.stream(name)) parts.push(part);
    assertSame(Buffer.concat(parts), contentOf(name));
  },
  async (client, random) => void (await client.stat(random.pick(NAMES))),
  async (client) => {
    for await (const entry of client.list('directory')) void entry;
  },
  async (client, random, folder) => {
    const bytes = contentOf(random.pick(NAMES));
    await client.upload(bytes, `${folder}/${random.between(0, 9)}`);
  },
  async (client, random, folder) => {
    const names = [random.pick(NAMES), random.pick(NAMES)];
    await using session = client.session();
    const [contents] = await Promise.all([
      Promise.all(names.map((name) => session.read(name).buffer())),
      session.stat(names[0] as string),
      session.write(`${folder}/s${random.between(0, 9)}`, contentOf('small')),
    ]);
    for (const [index, content] of contents.entries()) assertSame(content, contentOf(names[index] as string));
  },
];

/** Works until `isOver`, without a single failure; returns how often. */
export async function workUndisturbed(
  address: string,
  random: Random,
  isOver: () => boolean,
): Promise<number> {
  const client = new SluiceClient(address, { ownConnection: true });
  try {
    let done = 0;
    for (; !isOver(); done += 1) {
      await (WORK[done % WORK.length] as Work)(client, random, 'healthy');
      await turn();
    }
    return done;
  } finally {
    client.close();
  }
}

/** Works once through what may lie; what is wrong must come as a `TransferError` that is no defect. */
export async function workThroughLies(
  address: string,
  random: Random,
  outcomes: Map<string, number>,
): Promise<void> {
  const client = new SluiceClient(address, {
    ownConnection: true,
    stallTimeoutMs: patient(300),
    connectTimeoutMs: patient(1000),
    compression: random.pick(['auto', 'never', 'always'] as const),
    retry: { attempts: 2, outageMs: 0, initialBackoffMs: 1, maxBackoffMs: 2 },
  });
  const count = (outcome: string) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  try {
    await random.pick(WORK)(client, random, 'lied');
    count('OK');
  } catch (error) {
    assert.ok(error instanceof TransferError, error as Error);
    // As a status it is what gRPC says of a broken peer; without one it is a defect of ours.
    assert.ok(error.code !== 'INTERNAL' || isStatus(error.cause), error);
    count(error.code);
  } finally {
    client.close();
  }
}

function isStatus(cause: unknown): boolean {
  return (cause as { code?: unknown } | undefined)?.code === status.INTERNAL;
}

function contentOf(name: string): Buffer {
  return FILES[name] as Buffer;
}

function assertSame(found: Uint8Array, made: Uint8Array): void {
  assert.ok(
    Buffer.compare(found, made) === 0,
    `${found.length} bytes are not the ${made.length} of the file`,
  );
}
