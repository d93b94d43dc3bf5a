/** A piece of a range: what one job reads, and one write sends. */
import type { Coding } from '../../base/coding.ts';
import { TransferError } from '../../base/errors.ts';
import type { ByteSource } from '../../storage/byte-source.ts';
import type { FilledRun, FillResult } from '../jobs/job.ts';
import type { Lease } from '../slabs/slab-pool.ts';
import { fileShrank, type StoreRead } from './store-read.ts';

/** reading, read: only where the store reads, in front of the job. */
export type PieceStage = 'reading' | 'read' | 'running' | 'ready';

/** From the beginning of its job until its run is drained or given back. */
export interface Piece {
  /** With the use 'hold', kept until the peer has drained the run; with 'copy', it is copied out at once. */
  readonly lease: Lease;
  readonly offset: number;
  readonly rawBytes: number;
  /** Where it ends in all that its stream has begun. */
  readonly streamEnd: number;
  readonly coding: Coding;
  /** Read early: the piece that the peer must have earned before this is sent. 0: it had, when this was planned. */
  readonly owedBytes: number;
  /** Try a sample first. */
  readonly probe: boolean;
  stage: PieceStage;
  /** What fills the slab, where the store does that. */
  read: StoreRead | null;
  run: FilledRun | null;
  /** Given back: whoever answers releases the slab. */
  abandoned: boolean;
}

/** What it means that a job could not fill its slab. */
export function fillError(result: Exclude<FillResult, FilledRun>, source: ByteSource): TransferError {
  switch (result.kind) {
    case 'short':
      return fileShrank();
    case 'cancelled':
      return new TransferError('INTERNAL', 'a job nobody cancelled says it was cancelled');
    case 'failed': {
      const { errno, message } = result;
      if (source.kind === 'descriptor') return source.errorOf(errno, message);
      return new TransferError('INTERNAL', `a job that reads no descriptor failed (${errno})`, {
        cause: message,
      });
    }
  }
}
