/**
 * The uploads to a bucket: those that this server writes to, and how all others are
 * found. Expired ones are discarded by whichever server sees them first.
 */
import { KeyedMutex } from '../../../base/async/keyed-mutex.ts';
import { TransferError } from '../../../base/errors.ts';
import { isUploadId, newUploadId } from '../../../base/upload-id.ts';
import { requireSize } from '../../max-size.ts';
import { uploadNotFound } from '../../upload-not-found.ts';
import type { OpenUpload, Upload, UploadSpec } from '../../upload-store.ts';
import { toS3Error } from '../s3-error.ts';
import type { S3UploadContext } from './context.ts';
import { discardSession } from './discard.ts';
import { Ownership, unlessMissing } from './ownership.ts';
import { findPublished } from './publish.ts';
import { S3Upload, type UploadListener } from './s3-upload.ts';
import {
  isSessionOf,
  noSha256,
  parseKey,
  parseSession,
  sessionKey,
  sessionOf,
  sessionsPrefix,
  textOf,
} from './session.ts';

/** Uploads stay at most this much longer than their expiry. */
const SWEEP_MS = 3_600_000;

interface Touched {
  readonly id: string;
  readonly touchedMs: number;
}

export class S3Sessions {
  readonly #context: S3UploadContext;
  /** Those that are ours and not finished. */
  readonly #uploads = new Map<string, S3Upload>();
  readonly #listener: UploadListener = {
    owned: (upload) => this.#uploads.set(upload.id, upload),
    ended: (upload) => {
      if (this.#uploads.get(upload.id) === upload) this.#uploads.delete(upload.id);
    },
  };
  /** Held while one upload is loaded. */
  readonly #ids = new KeyedMutex();
  readonly #timer: NodeJS.Timeout;
  #sweeping: Promise<void> = Promise.resolve();

  constructor(context: S3UploadContext) {
    this.#context = context;
    const intervalMs = Math.min(SWEEP_MS, Math.max(1000, context.options.expiryMs / 4));
    this.#timer = setInterval(() => {
      this.#sweeping = this.#sweeping.then(() => this.sweep());
    }, intervalMs).unref();
  }

  /** As `UploadStore.start`. `checkName` throws where no file can be of that name. */
  async start(spec: UploadSpec, checkName: () => Promise<void>, share?: string | null): Promise<Upload> {
    const { id = newUploadId(), name } = spec;
    if (!isUploadId(id)) throw new TransferError('INVALID_ARGUMENT', BAD_ID);
    return await this.#ids.run(id, async () => {
      try {
        return (await this.#started(spec)) ?? (await this.#create(id, spec, checkName, share));
      } catch (reason) {
        throw toS3Error(reason, name);
      }
    });
  }

  /** As `UploadStore.find`. */
  async find(id: string): Promise<Upload> {
    if (!isUploadId(id)) throw uploadNotFound(id, 'does not exist');
    return await this.#ids.run(id, async () => {
      try {
        const upload = await this.#load(id);
        if (upload !== undefined) return upload;
      } catch (reason) {
        throw toS3Error(reason, '');
      }
      throw uploadNotFound(id, 'expired, was aborted or never began');
    });
  }

  /** Those of this server. */
  open(): OpenUpload[] {
    return Array.from(this.#uploads.values(), (upload) => {
      const { committedSize, expectedSize, expiresMs } = upload.state();
      const { id, isBusy, name, receivedSize, session, share, touchedMs } = upload;
      const { atMs: startedMs } = session;
      const about = expectedSize === undefined ? {} : { expectedSize };
      return {
        id,
        name,
        owner: share,
        startedMs,
        touchedMs,
        receivedSize,
        committedSize,
        expiresMs,
        isBusy,
        ...about,
      };
    });
  }

  /** Discards what has expired, of any server. Never rejects. */
  async sweep(): Promise<void> {
    const { logger, now, options } = this.#context;
    const oldestMs = now() - options.expiryMs;
    for (const upload of this.#uploads.values())
      if (!upload.isBusy && upload.touchedMs <= oldestMs) this.#uploads.delete(upload.id);
    try {
      for await (const { id, touchedMs } of this.#stored())
        if (touchedMs <= oldestMs && !this.#uploads.has(id)) await discardSession(this.#context, id);
    } catch (reason) {
      logger.warn(
        { err: reason },
        'expired uploads could not be removed from the object store; tried again later',
      );
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(Array.from(this.#uploads.values(), (upload) => upload.close()));
    await this.#sweeping;
  }

  /** All sessions in the bucket, each with when the newest of its objects was written. */
  async *#stored(): AsyncGenerator<Touched, void, undefined> {
    const { bucket, keys } = this.#context;
    let current: Touched | undefined;
    let token: string | undefined;
    do {
      const page = await bucket.page(sessionsPrefix(keys), { token });
      for (const { key, modifiedMs } of page.objects) {
        const id = parseKey(keys, key)?.id;
        if (id === undefined) continue;
        // Keys are sorted: those of one session follow each other.
        if (current !== undefined && current.id !== id) yield current;
        const earlierMs = current?.id === id ? current.touchedMs : 0;
        current = { id, touchedMs: Math.max(modifiedMs, earlierMs) };
      }
      token = page.token;
    } while (token !== undefined);
    if (current !== undefined) yield current;
  }

  /** What an earlier call with the same id and wish has started. */
  async #started(spec: UploadSpec): Promise<S3Upload | undefined> {
    if (spec.id === undefined) return undefined;
    const upload = await this.#load(spec.id);
    if (upload === undefined) return undefined;
    if (!isSessionOf(upload.session, spec)) throw new TransferError('INVALID_ARGUMENT', OTHER_ID);
    return upload;
  }

  async #create(
    id: string,
    spec: UploadSpec,
    checkName: () => Promise<void>,
    share: string | null | undefined,
  ): Promise<S3Upload> {
    const { bucket, conditions, keys, now, options, partBytes } = this.#context;
    const { condition, expected, name } = spec;
    keys.ofFile(name);
    requireSize(options.maxSizeBytes, name, expected.size ?? 0);
    const session = sessionOf(id, spec, now(), partBytes);
    if (expected.sha256 !== undefined && (expected.size ?? 0) > session.partBytes) throw noSha256(name);
    try {
      await Promise.all([checkName(), conditions.check(name, condition)]);
      await bucket.put(sessionKey(keys, id), Buffer.from(textOf(session)), null);
    } catch (reason) {
      // Another server may have begun it meanwhile, and even finished it.
      return (await this.#started(spec)) ?? fail(reason);
    }
    const ownership = new Ownership(bucket, keys, id, 0);
    const upload = new S3Upload(this.#context, session, ownership, session.atMs, this.#listener);
    upload.share = share ?? id;
    this.#uploads.set(id, upload);
    return upload;
  }

  async #load(id: string): Promise<S3Upload | undefined> {
    const known = this.#uploads.get(id);
    if (known !== undefined) {
      if (await known.isCurrent()) return known;
      this.#uploads.delete(id);
    }
    const { bucket, keys, now, options } = this.#context;
    const record = await bucket.get(sessionKey(keys, id)).catch(unlessMissing);
    if (record === undefined) return undefined;
    const session = parseSession(record);
    const ownership = new Ownership(bucket, keys, id);
    // The look comes behind: it sees the ledger of whoever has finished it.
    const published = await findPublished(this.#context, session);
    const { epochs, touchedMs } = await ownership.look();
    if (touchedMs + options.expiryMs <= now()) {
      await discardSession(this.#context, id);
      return undefined;
    }
    const upload = new S3Upload(this.#context, session, ownership, touchedMs, this.#listener);
    await upload.load(await ownership.read(epochs), published);
    return upload;
  }
}

function fail(reason: unknown): never {
  throw reason;
}

const BAD_ID =
  'the upload_id of a new upload has 32 hexadecimal digits in lower case, chosen at random; or is empty';
const OTHER_ID =
  'there is an upload of this upload_id, of another file or content; choose a new one at random';
