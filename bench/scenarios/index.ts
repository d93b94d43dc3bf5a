/** All scenarios, in the order in which they run. */
import type { Scenario } from '../harness/scenario.ts';
import { autoCompression } from './auto-compression.ts';
import { autoCompressionUpload } from './auto-compression-upload.ts';
import { exchange } from './exchange.ts';
import { flatMemory } from './flat-memory.ts';
import { gzipText } from './gzip-text.ts';
import { latencyDownload, latencyLarge, latencyUpload } from './latency.ts';
import { manyStreams } from './many-streams.ts';
import { oneStream } from './one-stream.ts';
import { neighbours } from './operation/neighbours.ts';
import { production } from './operation/production.ts';
import { tls } from './operation/tls.ts';
import { processes } from './processes.ts';
import { stalledReaders } from './stalled-readers.ts';
import { stoppedConsumers } from './stopped-consumers.ts';
import { lateReads } from './stores/late-reads.ts';
import { objectStore } from './stores/object-store.ts';
import { slowBucket } from './stores/slow-bucket.ts';
import { slowStore } from './stores/slow-store.ts';
import { stripes } from './stripes.ts';
import { toDisk } from './to-disk.ts';
import { mixedTree } from './trees/mixed-tree.ts';
import { smallFilesGet, smallFilesPut } from './trees/small-files.ts';
import { unaryLatency } from './unary-latency.ts';
import { uploadDurable, uploadDurableDisk } from './upload-durable.ts';
import { uploadMany } from './upload-many.ts';
import { uploadOneStream } from './upload-one-stream.ts';
import { uploadSlowDisk } from './upload-slow-disk.ts';
import { windowLoopback, windowLoopbackUpload } from './window-loopback.ts';

export const SCENARIOS: readonly Scenario[] = [
  oneStream,
  manyStreams,
  unaryLatency,
  gzipText,
  autoCompression,
  autoCompressionUpload,
  stalledReaders,
  slowStore,
  slowBucket,
  lateReads,
  objectStore,
  stoppedConsumers,
  flatMemory,
  toDisk,
  stripes,
  uploadOneStream,
  uploadDurable,
  uploadDurableDisk,
  uploadMany,
  uploadSlowDisk,
  latencyDownload,
  latencyUpload,
  latencyLarge,
  windowLoopback,
  windowLoopbackUpload,
  exchange,
  smallFilesGet,
  smallFilesPut,
  mixedTree,
  tls,
  production,
  neighbours,
  processes,
];
