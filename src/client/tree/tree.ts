/** The calls of the library that move a tree. */
import { basename } from 'node:path';
import { TransferError } from '../../base/errors.ts';
import { planTree } from './download/download-plan.ts';
import { runDownloads } from './download/download-run.ts';
import type { TreeOptions, TreeResult } from './options.ts';
import { TreeCall } from './tree-call.ts';
import type { TreeClient } from './tree-client.ts';
import { isTree, planUploads, statsOf } from './upload/upload-plan.ts';
import { runUploads } from './upload/upload-run.ts';

/** See `SluiceClient.downloadTree`. */
export async function downloadTree(
  client: TreeClient,
  prefix: string,
  directory: string,
  options: TreeOptions,
): Promise<TreeResult> {
  checkDirectory(directory);
  const call = new TreeCall(options);
  const { ignoreTimes = false, overwrite } = options;
  // Behind a slash there is a directory: a tree that is one file goes into it.
  const outcome = await runDownloads(
    (context) => planTree({ client, name: prefix }, `${directory}/`, context),
    {
      observer: call,
      parallel: call.parallel,
      signal: call.signal,
      ignoreTimes,
      transfer: { overwrite },
      packClient: client,
    },
  );
  return call.result(outcome);
}

/** See `SluiceClient.uploadTree`. */
export async function uploadTree(
  client: TreeClient,
  directory: string,
  prefix: string,
  options: TreeOptions,
): Promise<TreeResult> {
  checkDirectory(directory);
  const call = new TreeCall(options);
  const { ignoreTimes = false, overwrite } = options;
  const found = await statsOf(directory);
  if (found instanceof TransferError) throw found;
  const source = { path: directory, name: prefix, found };
  if (!isTree(source)) source.name = prefix === '' ? basename(directory) : `${prefix}/${basename(directory)}`;
  const outcome = await runUploads(
    (context) => planUploads([source], { client, recursive: true, ignoreTimes }, context),
    {
      observer: call,
      parallel: call.parallel,
      signal: call.signal,
      client,
      inPacks: true,
      transfer: { overwrite },
    },
  );
  return call.result(outcome);
}

/** Somebody has forgotten to set it. */
function checkDirectory(directory: string): void {
  if (directory !== '') return;
  throw new TransferError('INVALID_ARGUMENT', 'the directory is empty; "." is the current one');
}
