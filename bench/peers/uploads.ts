/** Who takes uploads: sluice with one of its sync policies, the stock peer. */
import { driverUploads, type UploadContender } from '../harness/uploads.ts';
import { startSluice } from './sluice.ts';
import { startStock } from './stock.ts';
import type { StockSettings } from './stock-settings.ts';

export function sluiceUploads(sync: 'batched' | 'none', flags: readonly string[] = []): UploadContender {
  const start = (directory: string) =>
    startSluice(directory, ['--writable', '--uploads-sync', sync, ...flags]);
  return driverUploads(`sluice, sync ${sync}`, start, 'sluice-upload-driver', 'tuned');
}

export function stockUploads(settings: StockSettings): UploadContender {
  const start = (directory: string) => startStock(settings, directory);
  return driverUploads(`stock ${settings}`, start, 'stock-upload-driver', settings);
}
