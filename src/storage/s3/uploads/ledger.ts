/** What the owner of an upload knows of the parts that the store has. */

export interface StoredPart {
  /** Without quotes. */
  readonly etag: string;
  readonly crc32: number;
  /** Fewer than of the others only of the last one. */
  readonly bytes: number;
}

export interface Ledger {
  /** Of the multipart upload; undefined before the first part. */
  readonly uploadId: string | undefined;
  /** By their index, from 0 on. */
  readonly parts: ReadonlyMap<number, StoredPart>;
}

type PartFields = readonly [index: number, etag: string, crc32: number, bytes: number];

export const EMPTY_LEDGER: Ledger = { uploadId: undefined, parts: new Map() };

export function ledgerText({ uploadId, parts }: Ledger): string {
  const fields = Array.from(parts, ([index, each]): PartFields => [index, each.etag, each.crc32, each.bytes]);
  return JSON.stringify({ uploadId, parts: fields });
}

/** Of what `ledgerText` made. */
export function parseLedger(text: Buffer): Ledger {
  const { uploadId, parts } = JSON.parse(text.toString()) as {
    uploadId?: string;
    parts: readonly PartFields[];
  };
  return {
    uploadId,
    parts: new Map(parts.map(([index, etag, crc32, bytes]) => [index, { etag, crc32, bytes }])),
  };
}
