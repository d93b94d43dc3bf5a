import type { BulkCall } from '../flow/calls/bulk-call.ts';
import type { StreamFileRequest, StreamFileResponse } from '../wire/messages.ts';
import type { ServiceContext } from './context.ts';
import type { AdmittedCall } from './prelude/admitted-call.ts';
import { serveRange } from './range/serve-range.ts';

/** StreamFile: one range, for a peer that takes what its HTTP/2 window lets through. */
export async function streamFile(
  context: ServiceContext,
  call: BulkCall<StreamFileRequest, StreamFileResponse>,
  { facts }: AdmittedCall,
): Promise<void> {
  await serveRange(context, call.request, call, facts);
}
