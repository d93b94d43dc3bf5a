/** The words that the bar and the plain lines share. */

import type { TransferError } from '../../base/errors.ts';
import { formatBytes, formatDuration } from '../../base/units.ts';
import type { CodecBytes } from '../../client/codec-account.ts';
import type { FinishedFile, RunSummary } from '../../client/tree/run/run.ts';
import { printable } from '../process/output.ts';
import type { Snapshot } from './progress.ts';

/** `45 %`, or undefined while the size is unknown. Never 100 before the end. */
export function writePercent({ phase, movedBytes, sizeBytes }: Snapshot): string | undefined {
  if (sizeBytes === undefined) return undefined;
  const percent = sizeBytes === 0 ? 100 : Math.floor((movedBytes / sizeBytes) * 100);
  return `${Math.min(percent, phase === 'finishing' ? 100 : 99)} %`;
}

/** `1.80 GiB of 4.00 GiB`; of an upload also what is durable: `1.80 GiB of 4.00 GiB (1.70 GiB stored)`. */
export function writeAmount({ durableBytes, movedBytes, sizeBytes }: Snapshot): string {
  const moved = formatBytes(movedBytes);
  const amount = sizeBytes === undefined ? moved : `${moved} of ${formatBytes(sizeBytes)}`;
  return durableBytes === undefined ? amount : `${amount} (${formatBytes(durableBytes)} stored)`;
}

/** What is going on, when bytes are not simply arriving; else the rate and the time left. */
export function writePace({ etaMs, phase, rateBytesPerSec }: Snapshot): string[] {
  if (phase === 'checking') return ['checking what an earlier run left'];
  if (phase === 'waiting') return ['waiting to try again'];
  if (phase === 'finishing') return ['finishing'];
  const rate = rateBytesPerSec === undefined ? [] : [`${formatBytes(rateBytesPerSec)}/s`];
  return etaMs === undefined ? rate : [...rate, `${writeWait(etaMs)} left`];
}

/** Whole seconds: the last digit of an estimate is noise. */
export function writeWait(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  return seconds < 60 ? `${seconds}s` : formatDuration(seconds * 1000);
}

/** `1 file`, `3 files`. */
export function writeFileCount(count: number): string {
  return count === 1 ? '1 file' : `${count} files`;
}

/** `dir/image.iso → image.iso: 4.00 GiB in 12.3s, 333 MiB/s, verified; 1.20 GiB of it resumed`. */
export function writeFinished({ direction, name, path, result }: FinishedFile): string {
  const { bytes, durationMs, resumedBytes, verified } = result;
  const freshBytes = bytes - resumedBytes;
  const rate = durationMs > 0 && freshBytes > 0 ? `, ${formatBytes((freshBytes * 1000) / durationMs)}/s` : '';
  const check = verified ? 'verified' : 'not verified';
  const resumed = resumedBytes > 0 ? `; ${formatBytes(resumedBytes)} of it resumed` : '';
  const [from, to] = direction === 'down' ? [name, path] : [path, name];
  const title = path === '-' || path === name ? name : `${from} → ${to}`;
  return `${printable(title)}: ${formatBytes(bytes)} in ${formatDuration(durationMs)}${rate}, ${check}${resumed}`;
}

/** `dir/image.iso: failed: there is no …`. */
export function writeFailed(name: string, { message }: TransferError): string {
  return `${name}: failed: ${message}`;
}

/** `12 files, 1.20 GiB in 12.3s; 3 already there, 1 failed, 2 left out, 40 not done`. */
export function writeSummary(summary: RunSummary): string {
  const { bytes, failedFiles, files, isPlanComplete, leftOut, notDoneFiles, durationMs, skippedFiles } =
    summary;
  const counts = [
    [skippedFiles, 'already there'],
    [failedFiles, 'failed'],
    [leftOut.count, 'left out'],
  ] as const;
  const others = counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  if (notDoneFiles > 0 || !isPlanComplete)
    others.push(`${notDoneFiles}${isPlanComplete ? '' : ' or more'} not done`);
  const rest = others.length > 0 ? `; ${others.join(', ')}` : '';
  return `${writeFileCount(files)}, ${formatBytes(bytes)} in ${formatDuration(durationMs)}${rest}`;
}

/** `4.00 MiB on the wire: 15.0 MiB as gzip, 1.00 MiB uncompressed`. */
export function writeCodecs({ bytesByCodec, wireBytes }: CodecBytes): string {
  const parts = Object.entries(bytesByCodec)
    .filter(([, bytes]) => bytes > 0)
    .sort(([, a], [, b]) => b - a)
    .map(
      ([codec, bytes]) => `${formatBytes(bytes)} ${codec === 'identity' ? 'uncompressed' : `as ${codec}`}`,
    );
  return `${formatBytes(wireBytes)} on the wire${parts.length > 0 ? ': ' : ''}${parts.join(', ')}`;
}
