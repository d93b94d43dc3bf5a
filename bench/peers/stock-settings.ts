/**
 * The stock peers. `default` is what the documentation leads to; `tuned` is
 * what someone who measures and reads the options of grpc-js arrives at.
 * `large-heap` is `tuned` for someone who knows V8 as well: three buffers of
 * 1 MiB for each message make a small heap collect garbage in full about every
 * 10 MiB (`--trace-gc` shows it), which takes half of the server's CPU time.
 */
import { KIB, MIB } from '../../src/base/units.ts';

export type StockSettings = 'default' | 'tuned' | 'large-heap';

interface Settings {
  /** What the server reads and sends at once when the client has no wish. */
  chunkBytes: number;
  gzipLevel: number;
  /** Bytes of an upload that may wait for the disk before the call is not read on. */
  writeBufferBytes: number;
  /** Flags of Node for the server. */
  nodeFlags: readonly string[];
  channelOptions: Record<string, number>;
  serverOptions: Record<string, number>;
}

const tuned: Settings = {
  chunkBytes: MIB,
  gzipLevel: 1,
  writeBufferBytes: 4 * MIB,
  nodeFlags: [],
  channelOptions: {
    'grpc-node.flow_control_window': 8 * MIB,
    'grpc.max_receive_message_length': 64 * MIB,
  },
  serverOptions: { 'grpc.max_send_message_length': 64 * MIB },
};

export const STOCK_SETTINGS: Readonly<Record<StockSettings, Settings>> = {
  default: {
    chunkBytes: 64 * KIB,
    gzipLevel: 6,
    writeBufferBytes: 16 * KIB,
    nodeFlags: [],
    channelOptions: {},
    serverOptions: {},
  },
  tuned,
  'large-heap': { ...tuned, nodeFlags: ['--initial-old-space-size=256'] },
};

/** The settings named on a command line. */
export function parseStockSettings(text: string | undefined): StockSettings {
  if (text !== undefined && Object.hasOwn(STOCK_SETTINGS, text)) return text as StockSettings;
  throw new Error(`the settings are ${Object.keys(STOCK_SETTINGS).join(', ')}, not ${text}`);
}
