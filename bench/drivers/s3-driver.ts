/** What a program with the SDK of AWS makes of a bucket by itself: the measure for a server in front of it. */
import { mkdirSync, statSync } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { readPeakRssBytes } from '../harness/proc.ts';
import { makeS3Client } from '../peers/s3-client.ts';
import { answer, parseRequest, type S3Request, type S3Work } from './protocol.ts';

const { endpoint, bucket, inFlight, work } = parseRequest<S3Request>();
const client = makeS3Client(endpoint, inFlight);

/** Runs `work` on each of `items`, some at the same time. */
async function onEach<T>(items: AsyncIterator<T>, work: (item: T) => Promise<void>): Promise<void> {
  const takeTurns = async () => {
    for (let next = await items.next(); next.done !== true; next = await items.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: inFlight }, takeTurns));
}

async function* rangesOf(start: number, end: number, partBytes: number) {
  for (let from = start; from < end; from += partBytes) yield { from, to: Math.min(end, from + partBytes) };
}

/** Resolves with the bytes of the body, which go nowhere. */
async function discard(body: Readable): Promise<number> {
  let bytes = 0;
  body.on('data', (piece: Buffer) => {
    bytes += piece.length;
  });
  await new Promise((resolve, reject) => body.once('end', resolve).once('error', reject));
  return bytes;
}

async function readObject(key: string, start: number, partBytes: number): Promise<number> {
  const { ContentLength: size = 0 } = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
  let bytes = 0;
  await onEach(rangesOf(start, size, partBytes), async ({ from, to }) => {
    const range = { Bucket: bucket, Key: key, Range: `bytes=${from}-${to - 1}` };
    const { Body } = await client.send(new GetObjectCommand(range));
    const came = await discard(Body as Readable);
    bytes += came;
  });
  if (bytes !== size - start) throw new Error(`${bytes} of ${size - start} bytes came`);
  return bytes;
}

async function writeObject(key: string, path: string, partBytes: number): Promise<number> {
  const { size } = statSync(path);
  const target = { Bucket: bucket, Key: key };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(target));
  const parts: { PartNumber: number; ETag: string | undefined }[] = [];
  const file = await open(path);
  await onEach(rangesOf(0, size, partBytes), async ({ from, to }) => {
    const Body = Buffer.allocUnsafe(to - from);
    await file.read(Body, 0, Body.length, from);
    const PartNumber = from / partBytes + 1;
    const { ETag } = await client.send(new UploadPartCommand({ ...target, UploadId, PartNumber, Body }));
    parts.push({ PartNumber, ETag });
  });
  await file.close();
  parts.sort((a, b) => a.PartNumber - b.PartNumber);
  await client.send(
    new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts: parts } }),
  );
  return size;
}

async function* keysBelow(prefix: string) {
  let token: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token }),
    );
    for (const { Key = '' } of page.Contents ?? []) yield Key;
    token = page.NextContinuationToken;
  } while (token !== undefined);
}

async function fetchTree(prefix: string, to: string): Promise<number> {
  let bytes = 0;
  await onEach(keysBelow(prefix), async (key) => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    const content = (await Body?.transformToByteArray()) ?? new Uint8Array();
    const path = join(to, key);
    mkdirSync(dirname(path), { recursive: true });
    await writeFile(path, content);
    bytes += content.length;
  });
  return bytes;
}

async function warmUp(work: S3Work): Promise<void> {
  if (work.kind === 'read') await readObject(work.key, work.warmUpStart, work.partBytes);
  if (work.kind === 'write') await writeObject(work.key, work.warmUpPath, work.partBytes);
}

async function run(work: S3Work): Promise<number> {
  if (work.kind === 'read') return await readObject(work.key, 0, work.partBytes);
  if (work.kind === 'write') return await writeObject(work.key, work.path, work.partBytes);
  return await fetchTree(work.prefix, work.to);
}

await warmUp(work);
const cpuBefore = process.cpuUsage();
const startMs = performance.now();
const bytes = await run(work);
const seconds = (performance.now() - startMs) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
answer({
  event: 'report',
  bytes,
  seconds,
  clientCpuSeconds: (user + system) / 1e6,
  clientPeakRssBytes: readPeakRssBytes(process.pid),
});
process.exit(0);
