/** The page of the admin listener: what `sluice top` shows, with buttons and history. */
import type {
  CancelTransferResponse,
  GetConfigResponse,
  OpenUpload,
  Transfer,
  WatchResponse,
} from '../src/wire/admin-messages.ts';
import { ToldEvents } from '../src/wire/told-events.ts';
import { Charts } from './charts.ts';
import { askedToken, confirmed } from './dialogs.ts';
import { byId, setText, shown } from './dom.ts';
import { ask, hasToken, Refusal, setToken, snapshots } from './feed.ts';
import { Overview, say, showState } from './overview.ts';
import { Pictures } from './pictures.ts';
import {
  configTable,
  eventsTable,
  identitiesTable,
  placesTable,
  uploadsTable,
  uploadTitle,
} from './tables.ts';
import { titleOf, transfersTable } from './transfers.ts';

/** As the server makes points. */
const HISTORY_INTERVAL_MS = 5_000;

/** The newest are shown. */
const MAX_EVENTS = 50;

const MIN_RETRY_MS = 500;
const MAX_RETRY_MS = 5_000;

const overview = new Overview();
const charts = new Charts();
const pictures = new Pictures();
const told = new ToldEvents();
const places = placesTable();
const identities = identitiesTable();
const events = eventsTable();
const settings = configTable();
const transfers = transfersTable((transfer) => void cancel(transfer));
const uploads = uploadsTable(
  () => last?.timeMs ?? 0,
  (upload) => void discard(upload),
);

let last: WatchResponse | undefined;
/** Ends the present connection. */
let watching = new AbortController();

const pause = byId('pause');
const tokenButton = byId('token-button');

pause.addEventListener('click', () => {
  const isPaused = !isStopped();
  pause.setAttribute('aria-pressed', String(isPaused));
  if (isPaused) say('Paused: what you see no longer changes.');
  watching.abort();
});
tokenButton.addEventListener('click', () => void enterToken());
byId('config').addEventListener('toggle', () => {
  showConfig().catch((reason: unknown) =>
    say(reason instanceof Error ? reason.message : String(reason), true),
  );
});
document.addEventListener('visibilitychange', () => {
  if (document.hidden) watching.abort();
});
void watch();
setInterval(() => {
  if (isStopped() || last === undefined) return;
  charts.update().catch(() => {});
  showConfig().catch(() => {});
}, HISTORY_INTERVAL_MS);

/** Nobody looks. */
function isStopped(): boolean {
  return document.hidden || pause.getAttribute('aria-pressed') === 'true';
}

/** For as long as the page is open. */
async function watch(): Promise<never> {
  let retryMs = MIN_RETRY_MS;
  for (;;) {
    watching = new AbortController();
    const startedMs = last?.server?.startedMs;
    let isFirst = true;
    try {
      for await (const snapshot of snapshots(watching.signal)) {
        if (isFirst) welcome(startedMs, snapshot);
        isFirst = false;
        retryMs = MIN_RETRY_MS;
        show(snapshot);
      }
    } catch (reason) {
      if (isStopped()) await untilLookedAt();
      else retryMs = await waited(reason, retryMs);
    }
  }
}

/** The first snapshot of a connection. */
function welcome(startedMs: number | undefined, { server }: WatchResponse): void {
  if (startedMs === undefined || byId('status').className === '') say('');
  else if (startedMs === server?.startedMs) say('Connected again.');
  else say('Connected again; the server has been restarted.');
  tokenButton.hidden = !hasToken();
  charts.update().catch(() => {});
}

/** Says what is wrong and waits; returns how long to wait the next time. */
async function waited(reason: unknown, retryMs: number): Promise<number> {
  if (reason instanceof Refusal) {
    showState('refused', 'bad');
    say(reason.message, true);
    tokenButton.hidden = false;
    if (reason.status === 401 && (await enterToken())) return MIN_RETRY_MS;
    if (reason.status < 500) {
      await new Promise<void>((resolve) => {
        watching.signal.addEventListener('abort', () => resolve(), { once: true });
      });
      return MIN_RETRY_MS;
    }
  } else {
    showState('reconnecting', 'bad');
    say('The connection to the server is lost. Trying again; what you see is old.', true);
  }
  await new Promise((resolve) => setTimeout(resolve, retryMs));
  return Math.min(MAX_RETRY_MS, retryMs * 2);
}

function untilLookedAt(): Promise<void> {
  if (!document.hidden) showState('paused', 'warn');
  return new Promise((resolve) => {
    const look = () => {
      if (isStopped()) return;
      pause.removeEventListener('click', look);
      document.removeEventListener('visibilitychange', look);
      say('');
      resolve();
    };
    pause.addEventListener('click', look);
    document.addEventListener('visibilitychange', look);
  });
}

/** Resolves with whether there is a token now. */
async function enterToken(): Promise<boolean> {
  const token = await askedToken();
  if (token === undefined) return false;
  setToken(token);
  watching.abort();
  return true;
}

function show(snapshot: WatchResponse): void {
  last = snapshot;
  overview.show(snapshot);
  if (snapshot.slabs !== null) pictures.showSlabs(snapshot.slabs);
  if (snapshot.pool !== null) pictures.showThreads(snapshot.pool);
  places.show(snapshot.places);
  const { totals } = snapshot;
  transfers.show(snapshot.transfers, () => byId('transfers').focus());
  count('transfers', snapshot.transfers.length, totals?.transfers);
  uploads.show(snapshot.uploads, () => byId('uploads').focus());
  count('uploads', snapshot.uploads.length, totals?.uploads);
  identities.show(snapshot.topIdentities);
  count('identities', snapshot.topIdentities.length);
  const all = told.with(snapshot);
  const shownEvents = all.slice(-MAX_EVENTS).toReversed();
  events.show(shownEvents);
  count('events', shownEvents.length, all.length);
}

/** Beside the heading of a table, which is shown where it has rows. */
function count(id: string, rows: number, all = rows): void {
  byId(`${id}-empty`).hidden = rows > 0;
  const place = document.getElementById(`${id}-count`);
  if (place !== null) setText(place, rows < all ? `${rows} of ${all}` : String(all));
}

async function cancel(transfer: Transfer): Promise<void> {
  const isSure = await confirmed({
    title: 'Cancel this transfer?',
    subject: `${titleOf(transfer)}, ${shown(transfer.who)}`,
    text: 'Its client is told that an operator ended it, and does not try again. What an upload has stored stays.',
    yes: 'Cancel the transfer',
    no: 'Let it run',
  });
  if (!isSure) return;
  await acted(async () => {
    const path = `/api/transfers/${encodeURIComponent(transfer.id)}/cancel`;
    const { cancelled } = await ask<CancelTransferResponse>(path, 'POST');
    return cancelled > 1
      ? `${cancelled} calls of ${titleOf(transfer)} were cancelled.`
      : `${titleOf(transfer)} was cancelled.`;
  });
}

async function discard(upload: OpenUpload): Promise<void> {
  const isSure = await confirmed({
    title: 'Discard this upload?',
    subject: uploadTitle(upload),
    text: 'Its bytes are removed. Its client has to begin again.',
    yes: 'Discard the upload',
    no: 'Keep it',
  });
  if (!isSure) return;
  await acted(async () => {
    await ask(`/api/uploads/${encodeURIComponent(upload.id)}/discard`, 'POST');
    return `${uploadTitle(upload)} was discarded.`;
  });
}

async function acted(act: () => Promise<string>): Promise<void> {
  try {
    say(await act());
  } catch (reason) {
    say(reason instanceof Error ? reason.message : String(reason), true);
  }
}

/** The values in force; a reload of the server changes them. */
async function showConfig(): Promise<void> {
  if (!byId<HTMLDetailsElement>('config').open) return;
  settings.show((await ask<GetConfigResponse>('/api/config')).settings);
}
