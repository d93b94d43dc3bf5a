/**
 * A file system on a slow disk: ext4 on a loop device whose writes the kernel
 * throttles (cgroup v1 blkio, from the root group, so that the write-back of
 * the page cache is throttled as well). What may wait in the page cache is
 * bounded, or writers would see memory instead of a disk. Linux, as root.
 */
import { execFileSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdtempSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { MIB } from '../../src/base/units.ts';
import { findProgram } from './programs.ts';

const THROTTLE = '/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device';

/** What the page cache may hold back from the disk. */
const PAGE_CACHE_BYTES = 32 * MIB;

export class ThrottledDisk {
  /** Where the file system is mounted. */
  readonly directory: string;
  readonly #image: string;
  readonly #device: string;
  #isRemoved = false;
  readonly #onExit = () => this.remove();

  /** Why there can be none here; undefined when there can. */
  static unavailable(): string | undefined {
    if (process.getuid?.() !== 0) return 'it needs root, to mount a file system and to throttle its disk';
    for (const program of ['losetup', 'mkfs.ext4', 'mount', 'umount']) {
      if (findProgram(program) === undefined) return `${program} is not installed`;
    }
    try {
      accessSync(THROTTLE, constants.W_OK);
    } catch {
      return `the kernel cannot throttle a disk here: no ${THROTTLE}`;
    }
    return undefined;
  }

  /** Its image takes up to `sizeBytes` below `parent`. `remove` it. */
  constructor(parent: string, sizeBytes: number, writeBytesPerSec: number) {
    const place = mkdtempSync(join(parent, 'slow-disk-'));
    this.directory = place;
    this.#image = `${place}.img`;
    writeFileSync(this.#image, '');
    truncateSync(this.#image, sizeBytes);
    run('mkfs.ext4', '-q', '-m', '0', this.#image);
    this.#device = run('losetup', '--find', '--show', this.#image);
    process.once('exit', this.#onExit);
    try {
      run('mount', this.#device, place);
      writeFileSync(THROTTLE, `${this.#number} ${writeBytesPerSec}`);
      this.#boundPageCache();
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  /** Safe to call twice. */
  remove(): void {
    if (this.#isRemoved) return;
    this.#isRemoved = true;
    process.off('exit', this.#onExit);
    // The device serves others after this; what is left to write need not be slow.
    writeFileSync(THROTTLE, `${this.#number} 0`);
    this.#freePageCache();
    // Lazily: a server that was killed just now may not be gone yet.
    attempt('umount', '--lazy', this.directory);
    attempt('losetup', '--detach', this.#device);
    rmSync(this.directory, { recursive: true, force: true });
    rmSync(this.#image, { force: true });
  }

  /** As `7:0`. */
  get #number(): string {
    const { rdev } = statSync(this.#device);
    return `${(rdev >> 8) & 0xfff}:${rdev & 0xff}`;
  }

  /** Kernels since 6.2 can bound one device; before, the rest of the machine sets how much waits. */
  #boundPageCache(): void {
    const settings = `/sys/class/bdi/${this.#number}`;
    if (!existsSync(join(settings, 'max_bytes'))) return;
    writeFileSync(join(settings, 'strict_limit'), '1');
    writeFileSync(join(settings, 'max_bytes'), String(PAGE_CACHE_BYTES));
  }

  #freePageCache(): void {
    const settings = `/sys/class/bdi/${this.#number}`;
    if (!existsSync(join(settings, 'max_bytes'))) return;
    writeFileSync(join(settings, 'strict_limit'), '0');
    writeFileSync(join(settings, 'max_ratio'), '100');
  }
}

function run(command: string, ...args: string[]): string {
  return execFileSync(findProgram(command) ?? command, args, { encoding: 'utf8' }).trim();
}

function attempt(command: string, ...args: string[]): void {
  try {
    run(command, ...args);
  } catch {
    // Not mounted or detached already.
  }
}
