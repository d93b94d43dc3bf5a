/** How people read what AdminService says: `sluice top` and the page use the same words. */
import type { Bottleneck, Direction, Transfer } from './admin-messages.ts';

interface Why {
  /** One word, for a column. */
  readonly word: string;
  /** What the word means. */
  readonly meaning: string;
}

const WHY: Readonly<Record<Bottleneck, Why>> = {
  BOTTLENECK_UNSPECIFIED: { word: '', meaning: 'it moves no bytes of files, or has just begun' },
  BOTTLENECK_NONE: { word: 'fast', meaning: 'it is fast: nothing holds it up' },
  BOTTLENECK_PEER: { word: 'peer', meaning: 'the client takes, or sends, less than it may' },
  BOTTLENECK_LINK: { word: 'link', meaning: 'the network is full: bytes wait in its queues' },
  BOTTLENECK_DISK: { word: 'disk', meaning: 'reads or writes of the store take most of the time' },
  BOTTLENECK_WORKERS: { word: 'workers', meaning: 'it waits for a thread, a slab or compression' },
  BOTTLENECK_CREDIT: { word: 'credit', meaning: 'the client has granted its requests no more bytes' },
};

/** Why a transfer is slow. */
export function whySlow(bottleneck: Bottleneck | number): Why {
  return (
    WHY[bottleneck as Bottleneck] ?? {
      word: 'other',
      meaning: 'for a reason that only a newer version knows',
    }
  );
}

/** As its client sees it. */
export function directionWord(direction: Direction | number): 'download' | 'upload' {
  return direction === 'DIRECTION_UPLOAD' ? 'upload' : 'download';
}

/** 0 to 1; undefined while the size is not known. */
export function shareMoved({ movedBytes, size }: Pick<Transfer, 'movedBytes' | 'size'>): number | undefined {
  if (size === undefined) return undefined;
  return size === 0 ? 1 : Math.min(1, movedBytes / size);
}

/** `45 %`; 100 only at the end, 0 only at the beginning. */
export function writeShare(share: number): string {
  const percent = share >= 1 ? 100 : Math.min(99, Math.floor(share * 100));
  return `${percent} %`;
}

/** Three significant figures: `0.42 ms`, `12.3 ms`, `1230 ms`. */
export function writeMs(ms: number): string {
  return `${ms.toFixed(ms < 9.995 ? 2 : ms < 99.95 ? 1 : 0)} ms`;
}

/** Since when, roughly: `42s`, `12m`, `3h12m`, `5d3h`. */
export function writeAge(ms: number): string {
  const minutes = Math.floor(Math.max(0, ms) / 60_000);
  if (minutes < 1) return `${Math.floor(Math.max(0, ms) / 1000)}s`;
  if (minutes < 60) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours}h${minutes % 60}m` : `${Math.floor(hours / 24)}d${hours % 24}h`;
}
