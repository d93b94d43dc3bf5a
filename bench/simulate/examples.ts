/** Loads and machines as examples: nothing here is measured. */
import { GIB, KIB, MIB } from '../../src/base/units.ts';
import type { Load, ServerMachine } from './model.ts';

const DAY_SEC = 86_400;
const HOUR_SEC = 3600;
const MBIT_BYTES = 1e6 / 8;

export interface Example extends Omit<Load, 'clients'> {
  readonly name: string;
  readonly describe: string;
}

const ANY = { uploadShare: 0, gzipShare: 0, tls: true, callsPerClientSec: 1 / 60, connectionSec: HOUR_SEC };

export const EXAMPLES: readonly Example[] = [
  {
    ...ANY,
    name: 'waiting',
    describe: 'asks every minute whether there is something new, and fetches 10 MiB a day at 100 Mbit/s',
    bytesPerClientSec: (10 * MIB) / DAY_SEC,
    transferBytesPerSec: 100 * MBIT_BYTES,
  },
  {
    ...ANY,
    name: 'artefacts',
    describe: 'fetches 1 GiB an hour at 100 Mbit/s over a connection of its own, half of it text',
    bytesPerClientSec: GIB / HOUR_SEC,
    gzipShare: 0.5,
    transferBytesPerSec: 100 * MBIT_BYTES,
  },
  {
    ...ANY,
    name: 'ingest',
    describe: 'sends 64 KiB/s on average, in uploads at 100 Mbit/s',
    bytesPerClientSec: 64 * KIB,
    uploadShare: 1,
    transferBytesPerSec: 100 * MBIT_BYTES,
  },
  {
    ...ANY,
    name: 'streams',
    describe: 'reads 1 MiB/s all the time',
    bytesPerClientSec: MIB,
    transferBytesPerSec: MIB,
  },
];

/** A common size; `npm run simulate -- predict` takes others. */
export const EXAMPLE_MACHINE: ServerMachine = {
  cores: 8,
  processes: 8,
  memoryBytes: 64 * GIB,
  linkBytesPerSec: 10_000 * MBIT_BYTES,
  connections: 262_144,
  streams: 65_536,
  uploadStreams: 4096,
  storeRequests: 512,
};

/** A server as it comes. */
export const DEFAULT_SERVER: ServerMachine = {
  ...EXAMPLE_MACHINE,
  cores: 2,
  processes: 1,
  memoryBytes: 4 * GIB,
  connections: 1024,
  streams: 1024,
  uploadStreams: 256,
  storeRequests: 64,
};
