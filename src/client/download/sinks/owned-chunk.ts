/** Makes received bytes safe to give away for good. */
import { Buffer } from 'node:buffer';

/**
 * `bytes` in memory that nothing else uses, so that the receiver may write to
 * it or transfer its buffer. Only small chunks share memory: they come from
 * Node's buffer pool.
 */
export function ownedChunk(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  // copy: pooled memory is shared with unrelated buffers.
  if (bytes.byteLength <= Buffer.poolSize) return new Uint8Array(bytes);
  return bytes as Uint8Array<ArrayBuffer>;
}
