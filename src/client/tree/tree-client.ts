/** What trees are made of: the calls of a client that move and name single things. */
import type { Writable } from 'node:stream';
import type { FileInfo, ListEntry } from '../../wire/messages.ts';
import type { DownloadOptions, DownloadResult } from '../download/options.ts';
import type { SluiceSession } from '../exchange/session.ts';
import type { ListOptions } from '../list.ts';
import type { UploadOptions, UploadResult, UploadSource } from '../upload/options.ts';

interface Signalled {
  signal?: AbortSignal | undefined;
}

/** See `SluiceClient`, which imports this room and cannot be imported here. */
export interface TreeClient {
  list(prefix: string, options: ListOptions): AsyncGenerator<ListEntry, void, undefined>;
  stat(name: string, options?: Signalled): Promise<FileInfo>;
  makeDirectory(name: string, options: Signalled & { mode?: number }): Promise<void>;
  download(name: string, target: string | Writable, options: DownloadOptions): Promise<DownloadResult>;
  upload(source: UploadSource, name: string, options: UploadOptions): Promise<UploadResult>;
  session(): SluiceSession;
}
