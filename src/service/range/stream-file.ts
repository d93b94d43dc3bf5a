/** StreamFile: one range, as a call of its own. */
import type { BulkCall } from '../../flow/calls/bulk-call.ts';
import type { StreamFileRequest, StreamFileResponse } from '../../wire/messages.ts';
import type { ServiceContext } from '../context.ts';
import type { RequestFacts } from '../prelude/request-log.ts';
import { messageOf } from './send-range.ts';
import { serveRange } from './serve-range.ts';

/** Throws a TransferError. */
export async function streamFile(
  context: ServiceContext,
  request: StreamFileRequest,
  call: BulkCall<StreamFileRequest, StreamFileResponse>,
  facts: RequestFacts,
): Promise<void> {
  call.keepAlive(request.keepAliveMs, messageOf({}));
  await serveRange(context, request, call, facts);
}
