/**
 * The messages of proto/sluice/v1/admin.proto as they appear in code, which has
 * their meaning. test/wire/messages.test.ts holds the field names against it.
 */

export interface WatchRequest {
  intervalMs: number;
  maxTransfers: number;
  maxUploads: number;
}

export interface WatchResponse {
  timeMs: number;
  server: ServerState | null;
  totals: Totals | null;
  transfers: Transfer[];
  slabs: Slabs | null;
  pool: Pool | null;
  eventLoop: EventLoop | null;
  memory: Memory | null;
  places: Places[];
  topIdentities: IdentityUse[];
  uploads: OpenUpload[];
  events: Event[];
}

export type Phase = 'PHASE_UNSPECIFIED' | 'PHASE_SERVING' | 'PHASE_DRAINING';

export interface ServerState {
  version: string;
  runtime: string;
  address: string;
  startedMs: number;
  /** A number when the peer sent a value this version does not know. */
  phase: Phase | number;
  writable: boolean;
  tls: boolean;
}

export interface Totals {
  transfers: number;
  uploads: number;
  sentRawBytes: number;
  sentWireBytes: number;
  receivedRawBytes: number;
  receivedWireBytes: number;
  sentRawBytesPerSec: number;
  sentWireBytesPerSec: number;
  receivedRawBytesPerSec: number;
  receivedWireBytesPerSec: number;
  calls: number;
  errors: number;
  refusals: number;
  stalls: number;
  evictions: number;
  callsPerSec: number;
}

export type Direction = 'DIRECTION_UNSPECIFIED' | 'DIRECTION_DOWNLOAD' | 'DIRECTION_UPLOAD';

export type Bottleneck =
  | 'BOTTLENECK_UNSPECIFIED'
  | 'BOTTLENECK_NONE'
  | 'BOTTLENECK_PEER'
  | 'BOTTLENECK_LINK'
  | 'BOTTLENECK_DISK'
  | 'BOTTLENECK_WORKERS'
  | 'BOTTLENECK_CREDIT';

export interface Transfer {
  id: string;
  who: string;
  peer: string;
  method: string;
  name: string;
  /** A number when the peer sent a value this version does not know. */
  direction: Direction | number;
  startedMs: number;
  start: number;
  size?: number;
  movedBytes: number;
  wireBytes: number;
  rawBytesPerSec: number;
  wireBytesPerSec: number;
  coding: string;
  windowBytes: number;
  inFlightBytes: number;
  roundTripMs?: number;
  /** A number when the peer sent a value this version does not know. */
  slowBecause: Bottleneck | number;
  openRequests: number;
  uploadId: string;
  codingReason: string;
}

export interface Slabs {
  count: number;
  slabBytes: number;
  free: number;
  leased: number;
  sending: number;
  quarantined: number;
}

export interface Pool {
  threads: number;
  jobsOutstanding: number;
  jobsWaiting: number;
  utilization: number;
  jobsPerSec: number;
  jobMs: number;
  storageMs: number;
  deaths: number;
}

export interface EventLoop {
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  utilization: number;
}

export interface Memory {
  rssBytes: number;
  heapUsedBytes: number;
  heapTotalBytes: number;
  externalBytes: number;
  boundBytes: number;
  windowBytes: number;
}

export interface Places {
  kind: string;
  taken: number;
  limit: number;
  refusals: number;
  evictions: number;
}

export interface IdentityUse {
  who: string;
  transfers: number;
  rawBytesPerSec: number;
  wireBytesPerSec: number;
}

export interface OpenUpload {
  id: string;
  name: string;
  owner: string;
  startedMs: number;
  touchedMs: number;
  receivedBytes: number;
  committedBytes: number;
  expectedSize?: number;
  expiresMs: number;
  busy: boolean;
}

export interface Event {
  sequence: number;
  timeMs: number;
  method: string;
  who: string;
  peer: string;
  name: string;
  code: string;
  message: string;
  requestId: string;
}

export interface GetHistoryRequest {
  afterMs: number;
}

export interface GetHistoryResponse {
  points: HistoryPoint[];
  intervalMs: number;
}

export interface HistoryPoint {
  timeMs: number;
  sentWireBytesPerSec: number;
  receivedWireBytesPerSec: number;
  callsPerSec: number;
  errorsPerSec: number;
  refusalsPerSec: number;
  eventLoopP50Ms: number;
  eventLoopP99Ms: number;
  poolUtilization: number;
  transfers: number;
  slabsInUse: number;
  connections: number;
  rssBytes: number;
}

export type GetConfigRequest = Record<never, never>;

export interface GetConfigResponse {
  settings: Setting[];
}

export interface Setting {
  key: string;
  value: string;
  isDefault: boolean;
}

export interface CancelTransferRequest {
  id: string;
}

export interface CancelTransferResponse {
  cancelled: number;
}

export interface DiscardUploadRequest {
  uploadId: string;
}

export type DiscardUploadResponse = Record<never, never>;
