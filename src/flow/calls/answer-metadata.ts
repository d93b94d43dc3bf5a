/**
 * A metadata value that every answer of a call carries, at the cost of no frame.
 *
 * The private seam: grpc-js keeps the call that sends in `call`; its
 * `sendMetadata` and `sendStatus` are replaced, and not wrapped by an
 * interceptor, because `BulkCall` and `UploadCall` reach for that call too.
 * Where they are missing, answers go without.
 */
import { Metadata, type StatusObject, status } from '@grpc/grpc-js';

/** What is used of grpc-js' BaseServerInterceptingCall. */
interface AnsweringCall {
  sendMetadata?(metadata: Metadata): void;
  sendStatus?(status: Partial<StatusObject>): void;
}

/** Answers to `call` have `name: value` in their headers, and errors in their trailers as well. */
export function answerWith(call: object, name: string, value: string): void {
  const { call: answering } = call as { call?: AnsweringCall };
  if (answering?.sendMetadata === undefined || answering.sendStatus === undefined) return;
  const sendMetadata = answering.sendMetadata.bind(answering);
  const sendStatus = answering.sendStatus.bind(answering);
  let hasHeaders = false;
  answering.sendMetadata = (metadata) => {
    hasHeaders = true;
    metadata.set(name, value);
    sendMetadata(metadata);
  };
  answering.sendStatus = (ending) => {
    if (hasHeaders && ending.code === status.OK) {
      sendStatus(ending);
      return;
    }
    const metadata = ending.metadata?.clone() ?? new Metadata();
    metadata.set(name, value);
    sendStatus({ ...ending, metadata });
  };
}
