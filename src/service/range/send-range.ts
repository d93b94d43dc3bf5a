/** How the engine sends a range of a file, or of a pack, for one request. */
import { TransferError } from '../../base/errors.ts';
import type { Outlet } from '../../engine/download/outlet.ts';
import type { RangeTotals } from '../../engine/download/range-pipeline.ts';
import type { RangeRequest } from '../../engine/download/range-request.ts';
import type { StreamFileResponse } from '../../wire/messages.ts';
import type { ServiceContext } from '../context.ts';
import type { RequestFacts } from '../prelude/request-log.ts';

/** Where the answers to one request go: single messages, and the runs of the engine. */
export interface RangeOutlet extends Outlet {
  /** Resolves when the message is written, or nobody takes messages any more. Throws why the request has to end. */
  send(message: StreamFileResponse): Promise<void>;
  /** Calls `listener`, at least once, when nothing more is to be sent, with the reason. */
  onEnd(listener: (error: TransferError) => void): void;
}

/**
 * Sends `range` and, where checksums are wanted, its summary behind it.
 *
 * @param verify throws where what was read is not what was promised; runs behind the last read, and is told the
 *   CRC-32 of the range where checksums are wanted and all of it was read
 * @throws TransferError. Either way nothing uses the source any more, and what touches bytes is known to the outlet.
 */
export async function sendRange(
  { engine, share }: Pick<ServiceContext, 'engine' | 'share'>,
  range: RangeRequest,
  outlet: RangeOutlet,
  facts: RequestFacts,
  verify?: (crc32?: number) => Promise<void>,
): Promise<void> {
  const { checksums, start } = range;
  const pipeline = engine.sendRange(range, outlet, share);
  facts.start = start;
  facts.moving = pipeline;
  outlet.onEnd((error) => pipeline.fail(error));
  try {
    await pipeline.run();
  } catch (error) {
    // The engine saw it shrink; the store can say what the file is now.
    if (TransferError.from(error).code === 'FILE_CHANGED') await verify?.();
    throw error;
  } finally {
    facts.rawBytes = pipeline.totals.rawBytes;
    facts.wireBytes = pipeline.totals.wireBytes;
    const codings = pipeline.codings();
    if (codings !== undefined) facts.codings = codings;
  }
  await verify?.(checksums ? pipeline.totals.crc32 : undefined);
  if (checksums) await outlet.send(summaryOf(start, pipeline.totals));
}

function summaryOf(offset: number, totals: RangeTotals): StreamFileResponse {
  return messageOf({
    offset: offset + totals.rawBytes,
    summary: { offset, size: totals.rawBytes, crc32: totals.crc32 },
  });
}

/** A message without bytes of a file. */
export function messageOf(fields: Partial<StreamFileResponse>): StreamFileResponse {
  return {
    chunk: new Uint8Array(0),
    compressed: false,
    offset: 0,
    rawSize: 0,
    codec: 'CODEC_UNSPECIFIED',
    ...fields,
  };
}
