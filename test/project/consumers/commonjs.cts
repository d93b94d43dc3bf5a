/** A CommonJS program with "module": "node16". */
import { loadConfig, SluiceClient, SluiceServer, TransferError, type UploadOptions } from 'sluice';

import client = require('sluice/client');

export const server: SluiceServer = new SluiceServer(loadConfig().config);
export const clients: SluiceClient[] = [new SluiceClient('127.0.0.1'), new client.SluiceClient('127.0.0.1')];
export const options: UploadOptions = { ifMatch: 'a' };

export async function sizeOf(name: string): Promise<number | undefined> {
  try {
    // @ts-expect-error The size is a number, so types are not any.
    const wrong: string = (await clients[0]?.stat(name))?.size;
    return wrong.length;
  } catch (reason) {
    if (reason instanceof TransferError && reason.code === 'NOT_FOUND') return undefined;
    throw reason;
  }
}
