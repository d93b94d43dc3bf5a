/** An engine with real threads and a file for it to send. */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TransferError } from '../../src/base/errors.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { KIB } from '../../src/base/units.ts';
import type { RangeRequest } from '../../src/engine/download/range-request.ts';
import { Engine, type EngineOptions } from '../../src/engine/engine.ts';
import type { Descriptor } from '../../src/storage/byte-source.ts';

/** Small slabs, so that small files take many jobs. */
const OPTIONS: EngineOptions = {
  threads: 2,
  niceness: 0,
  slabBytes: 64 * KIB,
  slabCount: 12,
  jobsInFlight: 3,
  firstMessageBytes: 4 * KIB,
  gzipLevel: 1,
  maxGzipLevel: 6,
  logger: silentLogger,
};

/** What a test or a suite gives its cleaning up to. */
export interface Scope {
  after(clean: () => unknown): void;
}

export async function startEngine(scope: Scope, options: Partial<EngineOptions> = {}): Promise<Engine> {
  const engine = new Engine({ ...OPTIONS, ...options });
  // In a server its sockets do that; the engine alone does not keep a process alive.
  const alive = setInterval(() => {}, 60_000);
  scope.after(async () => {
    await engine.stop();
    clearInterval(alive);
  });
  await engine.start();
  return engine;
}

export interface SourceFile {
  path: string;
  fd: number;
  bytes: Buffer;
}

export function sourceFile(scope: Scope, bytes: Buffer): SourceFile {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-engine-'));
  const path = join(directory, 'source');
  writeFileSync(path, bytes);
  const fd = openSync(path, 'r');
  scope.after(() => {
    closeSync(fd);
    rmSync(directory, { recursive: true });
  });
  return { path, fd, bytes };
}

/** What the store says of a system error is `DATA_LOSS` and the error. */
function descriptorOf(fd: number): Descriptor {
  return { kind: 'descriptor', fd, errorOf: (errno) => new TransferError('DATA_LOSS', `no bytes: ${errno}`) };
}

/** The whole file, plainly; `wishes` say otherwise. */
export function requestOf(file: SourceFile, wishes: Partial<RangeRequest> = {}): RangeRequest {
  return {
    source: descriptorOf(file.fd),
    start: 0,
    end: file.bytes.length,
    chunkBytes: 16 * KIB,
    details: true,
    checksums: true,
    compression: 'never',
    codecs: ['gzip'],
    ...wishes,
  };
}

/** Numbered lines: gets much smaller by gzip, and no two stretches are equal. */
export function textBytes(size: number): Buffer {
  let text = '';
  for (let line = 0; text.length < size; line++) text += `line ${line} of a text that compresses well\n`;
  return Buffer.from(text.slice(0, size));
}

/** Noise that no compression makes smaller; the same in every run. */
export function noiseBytes(size: number): Buffer {
  const noise = Buffer.alloc(size);
  let state = 0x9e3779b9;
  for (let i = 0; i < size; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    noise[i] = state;
  }
  return noise;
}

/** Text and noise in turn. */
export function mixedBytes(size: number, stretchBytes: number): Buffer {
  const [text, noise] = [textBytes(size), noiseBytes(size)];
  for (let at = stretchBytes; at < size; at += 2 * stretchBytes) noise.copy(text, at, at, at + stretchBytes);
  return text;
}
