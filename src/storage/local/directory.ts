/**
 * An open directory of the store, as the walk sees it. Two kinds exist: one held
 * by a descriptor (Linux, no race can lead out) and one known by its path
 * (elsewhere). Both throw system errors; the walk turns them into messages.
 */
export interface Directory {
  /** What holds it. */
  readonly kind: 'descriptor' | 'path';
  /** A path to `entry` ('.' is the directory itself), good for one system call while the directory is open. */
  pathOf(entry: string): string;
  /**
   * Opens the directory `entry`; the caller closes it.
   *
   * @throws ENOTDIR or ELOOP when the entry is a symbolic link, ENOTDIR when it is not a directory.
   */
  enter(entry: string): Promise<Directory>;
  close(): Promise<void>;
}

/** The served directory. */
export interface Root {
  readonly directory: Directory;
  /** The device (`st_dev`) that every served file is on. */
  readonly device: bigint;
  /** With the device it tells whether another directory has taken its place. */
  readonly inode: bigint;
  /** Its file system gives a change behind a look a stamp of its own; see `settled-stats.ts`. */
  readonly isStampedPrecisely: boolean;
}
