/** The multipart uploads of `S3Server`. */
import { createHash } from 'node:crypto';
import { checksumText } from '../../../src/storage/s3/reads/stored-checksum.ts';
import { crc32 } from '../../../src/wire/crc32.ts';

/** What the store does not do. */
export class Refusal extends Error {
  readonly status: number;

  constructor(status: number, name: string) {
    super(name);
    this.status = status;
  }
}

export interface UploadedPart {
  readonly body: Buffer;
  readonly etag: string;
  /** As it was sent. */
  readonly checksum: string | undefined;
}

interface Multipart {
  readonly metadata: Readonly<Record<string, string>>;
  readonly hasChecksums: boolean;
  readonly parts: Map<number, UploadedPart>;
}

export class Multiparts {
  /** The parts of all that were completed. */
  readonly completed: UploadedPart[] = [];
  /** So many of the next parts come damaged. */
  damagedParts = 0;
  readonly #uploads = new Map<string, Multipart>();
  readonly #verifies: boolean;
  #created = 0;

  constructor(verifies: boolean) {
    this.#verifies = verifies;
  }

  create(metadata: Multipart['metadata'], algorithm: string | undefined): string {
    this.#created += 1;
    const id = `multipart-${this.#created}`;
    this.#uploads.set(id, { metadata, hasChecksums: algorithm === 'CRC32', parts: new Map() });
    return id;
  }

  put(id: string, number: number, sent: Buffer, checksum: string | undefined): UploadedPart {
    const { hasChecksums, parts } = this.#found(id);
    const body = this.#received(sent);
    if (this.#verifies && checksum !== undefined) {
      if (!hasChecksums) throw new Refusal(400, 'InvalidRequest');
      if (checksum !== checksumText(crc32(body))) throw new Refusal(400, 'BadDigest');
    }
    const part = { body, etag: createHash('md5').update(body).digest('hex'), checksum };
    parts.set(number, part);
    return part;
  }

  list(id: string): string {
    const parts = Array.from(
      this.#found(id).parts,
      ([number, { body, etag }]) =>
        `<Part><PartNumber>${number}</PartNumber><ETag>&quot;${etag}&quot;</ETag><Size>${body.length}</Size></Part>`,
    );
    return `<?xml version="1.0"?><ListPartsResult><IsTruncated>false</IsTruncated>${parts.join('')}</ListPartsResult>`;
  }

  /** What the object is, by the text that names its parts. */
  complete(id: string, text: string): { body: Buffer; metadata: Multipart['metadata'] } {
    const { hasChecksums, metadata, parts } = this.#found(id);
    const etags = Array.from(text.matchAll(/<ETag>(?:"|&quot;)?([0-9a-f]+)/g), ([, etag]) => etag);
    const checksums = Array.from(text.matchAll(/<ChecksumCRC32>([^<]+)/g), ([, checksum]) => checksum);
    const named = etags.map((etag, index) => {
      const part = parts.get(index + 1);
      const isUnlike = this.#verifies && hasChecksums && checksums[index] !== part?.checksum;
      if (part === undefined || part.etag !== etag || isUnlike) throw new Refusal(400, 'InvalidPart');
      return part;
    });
    this.#uploads.delete(id);
    this.completed.push(...named);
    return { body: Buffer.concat(named.map(({ body }) => body)), metadata };
  }

  abort(id: string): void {
    this.#found(id);
    this.#uploads.delete(id);
  }

  #received(sent: Buffer): Buffer {
    if (this.damagedParts === 0) return sent;
    this.damagedParts -= 1;
    const body = Buffer.from(sent);
    body[0] = (body[0] as number) ^ 1;
    return body;
  }

  #found(id: string): Multipart {
    const found = this.#uploads.get(id);
    if (found === undefined) throw new Refusal(404, 'NoSuchUpload');
    return found;
  }
}
