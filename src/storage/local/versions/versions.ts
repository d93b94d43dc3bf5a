/**
 * The one place that turns what a look at a file tells into the version that
 * peers see. Each form says what it is, so a version that a peer asks for is
 * compared in its own form, whatever the setting.
 */
import type { EntryStats } from '../../../base/files/entry-stats.ts';
import { timeVersionOf } from '../../../base/files/file-version.ts';
import type { FileIdentity, StoreOpenOptions } from '../../store.ts';
import { modeOf } from '../file-identity.ts';
import type { Digests, HashedFile } from './digests.ts';

/** What a version is; `version.by` of the configuration. */
export type VersionBy = 'identity' | 'size-mtime' | 'digest';

const DIGEST_PREFIX = 'sha256:';
const DIGEST = /^sha256:[0-9a-f]{64}$/i;

export class Versions {
  readonly digests: Digests;
  readonly #by: VersionBy;

  constructor(by: VersionBy, digests: Digests) {
    this.#by = by;
    this.digests = digests;
  }

  /** The version of a file, as far as a look tells it: nothing is computed. */
  of(name: string, look: EntryStats): string {
    if (this.#by === 'identity') return look.identity;
    const digest = this.#by === 'digest' ? this.digestOf(name, look) : undefined;
    return digest ?? timeVersionOf(look);
  }

  /** In the form of a version; undefined where it is not known. */
  digestOf(name: string, { identity }: EntryStats): string | undefined {
    const sha256 = this.digests.kept.get(name, identity);
    return sha256 === undefined ? undefined : `${DIGEST_PREFIX}${sha256}`;
  }

  /** Whether a file has the version. Undefined where only its digest tells that, which is not known. */
  has(name: string, look: EntryStats, version: string): boolean | undefined {
    if (!DIGEST.test(version)) return version === look.identity || version === timeVersionOf(look);
    const digest = this.digestOf(name, look);
    return digest === undefined ? undefined : digest === version.toLowerCase();
  }

  /** The version of an open file: the one that is asked for, where the file has it, in the form in which it is asked for. */
  async ofOpen(file: HashedFile, { ifMatch = '', signal }: StoreOpenOptions): Promise<string> {
    const isComputed = DIGEST.test(ifMatch) || (ifMatch === '' && this.#by === 'digest');
    if (isComputed) {
      const digest = await this.computed(file, signal);
      return digest === ifMatch.toLowerCase() ? ifMatch : digest;
    }
    return this.has(file.name, file.look, ifMatch) === true ? ifMatch : this.of(file.name, file.look);
  }

  /** The digest, as `digestOf`; computed where it is not known. Throws as `Digests.of`. */
  async computed(file: HashedFile, signal?: AbortSignal): Promise<string> {
    return `${DIGEST_PREFIX}${await this.digests.of(file, signal)}`;
  }

  /** What of a version of a file a thread can compare with a look: for a digest, the identity that it is known of. */
  comparable(name: string, version: string): string {
    if (!DIGEST.test(version)) return version;
    return this.digests.kept.identityOf(name, version.slice(DIGEST_PREFIX.length).toLowerCase()) ?? version;
  }

  identityOf(name: string, look: EntryStats): FileIdentity {
    const { modifiedMs, size } = look;
    const digest = this.digestOf(name, look);
    const identity = { name, size, version: this.of(name, look), modifiedMs, mode: modeOf(look) };
    return digest === undefined ? identity : { ...identity, digest };
  }
}
