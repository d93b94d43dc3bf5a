/**
 * A store that speaks as much S3 as a server needs that reads: the files of a
 * directory are the objects, and each answer begins after the same time. Of the
 * reads each 100th can take longer.
 *
 *   node late-bucket.js <directory> <milliseconds> [<milliseconds of each 100th read>]
 */
import { createReadStream, type Stats, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

const [, , directory = '.', latencyMs = '0', lateMs = latencyMs] = process.argv;

const READS_FOR_A_LATE_ONE = 100;

let reads = 0;

/** Of the pieces in which a file is read, as large as the largest range. */
const READ_BYTES = 10 * 1024 * 1024;

const server = createServer((request, response) => {
  if (request.headers.range !== undefined) reads += 1;
  const isLate = request.headers.range !== undefined && reads % READS_FOR_A_LATE_ONE === 0;
  setTimeout(() => answer(request, response), Number(isLate ? lateMs : latencyMs));
});

function answer({ headers, method, url = '' }: IncomingMessage, response: ServerResponse): void {
  const [, , name] = new URL(url, 'http://bucket').pathname.split('/');
  if (name === undefined || name === '') {
    response.end('<?xml version="1.0"?><ListBucketResult></ListBucketResult>');
    return;
  }
  const path = join(directory, decodeURIComponent(name));
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) {
    response.statusCode = 404;
    response.end();
    return;
  }
  response.setHeader('ETag', `"${found.ino}"`).setHeader('Last-Modified', found.mtime.toUTCString());
  if (method === 'HEAD') response.setHeader('Content-Length', found.size).end();
  else giveRange(path, found, headers.range, response);
}

function giveRange(path: string, { size }: Stats, range: string | undefined, response: ServerResponse): void {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
  const [start, end] = from === undefined ? [0, size - 1] : [Number(from), Number(to)];
  response.setHeader('Content-Length', end - start + 1);
  if (from !== undefined) {
    response.statusCode = 206;
    response.setHeader('Content-Range', `bytes ${from}-${to}/${size}`);
  }
  createReadStream(path, { start, end, highWaterMark: READ_BYTES }).pipe(response);
}

server.listen(0, '127.0.0.1', () => {
  console.log(`the bucket is ready on 127.0.0.1:${(server.address() as AddressInfo).port}`);
});
