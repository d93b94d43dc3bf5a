/** The one place for the metadata, deadline and credentials of the client's calls. */
import { type CallOptions, Metadata } from '@grpc/grpc-js';
import { REQUEST_ID, requestIdOf } from '../../wire/request-id.ts';
import type { ResolvedOptions } from '../options.ts';

export interface PreparedCall {
  /** In the server's log too. */
  readonly requestId: string;
  readonly metadata: Metadata;
  readonly options: CallOptions;
}

/**
 * @param timeoutMs from now on; undefined for streams, which are watched for stalls instead
 */
export function prepareCall({ callCredentials, tracing }: ResolvedOptions, timeoutMs?: number): PreparedCall {
  const requestId = requestIdOf(undefined);
  const metadata = new Metadata();
  metadata.set(REQUEST_ID, requestId);
  // Names the running operation to the server.
  tracing.inject((key, value) => metadata.set(key, value));
  return {
    requestId,
    metadata,
    options: {
      ...(timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs }),
      ...(callCredentials === undefined ? {} : { credentials: callCredentials }),
    },
  };
}
