/** The one place for the metadata, deadline and credentials of the client's calls. */
import { type CallOptions, Metadata } from '@grpc/grpc-js';
import type { Tracing } from '../../base/tracing.ts';
import { REQUEST_ID, requestIdOf } from '../../wire/request-id.ts';

export interface PreparedCall {
  /** In the server's log too. */
  readonly requestId: string;
  readonly metadata: Metadata;
  readonly options: CallOptions;
}

/**
 * @param tracing names the running operation to the server
 * @param timeoutMs from now on; undefined for streams, which are watched for stalls instead
 */
export function prepareCall(tracing: Tracing, timeoutMs?: number): PreparedCall {
  const requestId = requestIdOf(undefined);
  const metadata = new Metadata();
  metadata.set(REQUEST_ID, requestId);
  tracing.inject((key, value) => metadata.set(key, value));
  return {
    requestId,
    metadata,
    options: timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs },
  };
}
