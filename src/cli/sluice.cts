#!/usr/bin/env node
/**
 * What `sluice` runs. CommonJS, because the first ES module that is loaded starts
 * libuv's threads, whose number is fixed from then on. A server has more than
 * the usual four: a sync holds one for as long as the disk takes, and on a slow
 * disk many at once cost little more than one (bench upload-slow-disk).
 */
const SERVER_THREADS = 32;

if (process.argv[2] === 'serve') process.env.UV_THREADPOOL_SIZE ??= String(SERVER_THREADS);

// grpc-js reads both when it is loaded.
const end = process.argv.indexOf('--');
if (process.argv.slice(2, end < 0 ? undefined : end).includes('--trace')) {
  process.env.GRPC_TRACE ??= 'all';
  process.env.GRPC_VERBOSITY ??= 'DEBUG';
}

// What grpc-js has to say is in the errors of its calls; its own lines would go to the terminal.
if (process.env.GRPC_NODE_VERBOSITY === undefined) process.env.GRPC_VERBOSITY ??= 'NONE';

void import('./main.ts');
