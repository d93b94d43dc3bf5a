/** The page for operators, in a real browser, of a real server that moves real bytes. */
import assert from 'node:assert/strict';
import { after, describe, it, type TestContext } from 'node:test';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { accessFile, Tokens } from '../access/tokens.ts';
import { noise } from '../support/content.ts';
import { endOf } from '../support/peers/raw-client.ts';
import { MIB, type Settings, startServer, type TestServer } from '../support/test-server.ts';
import { until, within } from '../support/until.ts';
import { closeBrowser, NO_BROWSER, Tab } from './browser.ts';

const KIB = 1024;

/** The whole page, not compressed. */
const MAX_PAGE_BYTES = 150 * KIB;

/** Would be markup, were it not a name. */
const EVIL = '<img src=x onerror=alert(1)>‮gpj.bin';

async function served(t: TestContext, settings: Settings = {}): Promise<{ server: TestServer; url: string }> {
  const server = await startServer(t, { admin: { listen: '127.0.0.1:0' }, writable: true, ...settings });
  return { server, url: `http://${server.server.adminAddress}/` };
}

/** A download that nobody reads on. */
async function download(
  t: TestContext,
  server: TestServer,
  name: string,
): Promise<ClientReadableStream<unknown>> {
  server.write(name, noise(1, 64 * MIB));
  const before = server.server.stats().transfers;
  const call = server.client().stream({ fileName: name });
  call.once('data', () => call.pause());
  call.on('error', () => {});
  t.after(() => call.cancel());
  await until('a transfer is under way', () => server.server.stats().transfers > before);
  return call;
}

async function unfinishedUpload(server: TestServer, fileName: string): Promise<string> {
  const { answer } = await server.client().unary('StartUpload', { fileName, expected: { size: 10 * MIB } });
  return String(answer?.uploadId);
}

it('needs nothing from elsewhere, runs no script of others, and is small', async (t) => {
  const { url } = await served(t);
  const page = await fetch(url);
  const html = await page.text();
  const paths = [...html.matchAll(/(?:src|href)="(\/[^"]*)"/g)].map(([, path = '']) => path);

  assert.match(page.headers.get('content-security-policy') ?? '', /^default-src 'self';/);
  assert.doesNotMatch(html, /https?:|<script(?![^>]* src="\/)|<style| style=| on\w+=/);
  assert.deepEqual(paths.toSorted(), ['/icon.svg', '/main.js', '/style.css']);
  const sizes = paths.map(async (path) => {
    const answer = await fetch(new URL(path, url));
    assert.equal(answer.status, 200, path);
    return (await answer.arrayBuffer()).byteLength;
  });
  const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, Buffer.byteLength(html));
  assert.ok(bytes < MAX_PAGE_BYTES, `${bytes} bytes`);
});

describe('the page in a browser', { skip: NO_BROWSER }, () => {
  after(closeBrowser);

  it('shows who moves what, how fast, how far, and why it is slow; names are text', async (t) => {
    const { server, url } = await served(t);
    await download(t, server, EVIL);
    await unfinishedUpload(server, 'new.bin');
    assert.equal((await server.client().fetch({ fileName: 'gone' })).code, 'NOT_FOUND');

    const tab = await Tab.open(t, url);
    await tab.says('#transfers-table', /peer.*the client takes/s);

    const row = await tab.text('#transfers-table tbody tr');
    assert.ok(row.includes('<img src=x onerror=alert(1)>\\u202egpj.bin'), row);
    assert.match(row, /127\.0\.0\.1/);
    assert.match(row, /\d+ % .* of 64\.0 MiB/);
    assert.equal(await tab.page.evaluate('document.images.length'), 0);
    await tab.says('#uploads-table', /new\.bin.*10\.0 MiB.*Discard/s);
    await tab.says('#events-table', /NOT_FOUND.*there is no "gone"/s);
    await tab.says('#identities-table', /127\.0\.0\.1/);
    const slabs = await tab.page.evaluate("document.querySelector('#slab-cells').getAttribute('aria-label')");
    assert.match(String(slabs), /^12 slabs of 256 KiB: \d+ sending, \d+ leased, 0 quarantined, \d+ free$/);
    await tab.until("document.querySelectorAll('#slab-cells i').length === 12");
    await tab.page.click('#config summary');
    await tab.says('#config-table', /slab\.count\s+12\s+set/);
    const { limits } = server.config;
    await server.server.reload({ ...server.config, limits: { ...limits, streams: 77 } });
    await tab.says('#config-table', /limits\.streams\s+77\s+set/);
    await tab.page.setViewport({ width: 360, height: 800 });
    // The charts follow a moment later.
    await tab.until('document.documentElement.scrollWidth === 360');
    const across = await tab.page.evaluate(
      `for (const cell of document.querySelectorAll('#identities-table td')) cell.textContent = '1023 MiB/s';
      document.documentElement.scrollWidth`,
    );
    assert.equal(across, 360, 'fast transfers make the page wider than a phone');
    assert.deepEqual(tab.problems, []);
  });

  it('cancels a download by keyboard, after it has asked; the focus survives', async (t) => {
    const { server, url } = await served(t);
    const call = await download(t, server, 'large.iso');
    const ended = endOf(call);
    const tab = await Tab.open(t, url);
    const button = '#transfers-table tbody button';
    await tab.page.waitForSelector(button);
    await tab.page.focus(button);
    // A second one, faster or slower, comes and goes; the button is where it was.
    const other = await download(t, server, 'other.iso');
    await tab.says('#transfers-count', /2/);
    other.cancel();
    await tab.says('#transfers-count', /1/);
    const focused = "document.activeElement.getAttribute('aria-label')";
    assert.match(String(await tab.page.evaluate(focused)), /large\.iso/);

    await tab.page.keyboard.press('Enter');
    await tab.says('#confirm', /large\.iso/);
    await tab.page.keyboard.press('Escape');
    await tab.until("!document.querySelector('#confirm').open");
    assert.match(String(await tab.page.evaluate(focused)), /large\.iso/);
    assert.equal(server.server.stats().transfers, 1);

    await tab.page.keyboard.press('Enter');
    await tab.says('#confirm', /large\.iso/);
    await tab.page.focus('#confirm-yes');
    await tab.page.keyboard.press('Enter');
    await tab.says('#status', /large\.iso was cancelled/);
    call.resume();

    assert.equal((await within('its end', ended)).code, 'CANCELLED_BY_OPERATOR');
    await tab.says('#transfers-empty', /Nothing moves/);
    assert.equal(await tab.page.evaluate('document.activeElement.id'), 'transfers');
    assert.deepEqual(tab.problems, []);
  });

  it('discards an upload, after it has asked', async (t) => {
    const { server, url } = await served(t);
    const uploadId = await unfinishedUpload(server, 'new.bin');
    const tab = await Tab.open(t, url);
    await tab.page.waitForSelector('#uploads-table tbody button');
    await tab.page.click('#uploads-table tbody button');
    await tab.says('#confirm', /Discard this upload\?.*new\.bin/s);
    await tab.page.click('#confirm-yes');

    await tab.says('#status', /new\.bin was discarded/);
    await tab.says('#uploads-empty', /No upload/);
    const status = await server.client().unary('GetUploadStatus', { uploadId });
    assert.equal(status.code, 'UPLOAD_NOT_FOUND');
  });

  it('says that the server drains, is away, and has been restarted', async (t) => {
    const { server, url } = await served(t);
    const call = await download(t, server, 'large.iso');
    const tab = await Tab.open(t, url);
    await tab.says('#state', /^serving$/);

    const stopped = server.server.stop(60_000);
    await tab.says('#state', /^draining$/);
    call.cancel();
    await within('it stops', stopped);
    await tab.says('#status', /connection to the server is lost/);
    assert.equal(await tab.text('#state'), 'reconnecting');

    await served(t, { admin: { listen: new URL(url).host } });
    await tab.says('#status', /has been restarted/);
    await tab.says('#state', /^serving$/);
    await tab.says('#transfers-empty', /Nothing moves/);
  });

  it('stands still while it is paused', async (t) => {
    const { server, url } = await served(t);
    const tab = await Tab.open(t, url);
    await tab.says('#state', /^serving$/);
    await tab.page.click('#pause');
    await tab.says('#state', /^paused$/);
    await download(t, server, 'large.iso');
    assert.equal(await tab.text('#transfers-count'), '0');
    await tab.page.click('#pause');
    await tab.says('#transfers-count', /1/);
  });

  it('asks for a token where the server wants one, keeps it in the tab, and says what it does not allow', async (t) => {
    const tokens = new Tokens();
    const access = accessFile(t, {
      tokens: tokens.section(['operator']),
      rules: [{ who: ['operator'], may: ['observe'] }],
    });
    const { url } = await served(t, { access: access.path });
    const tab = await Tab.open(t, url);
    await tab.page.waitForSelector('#token[open]');
    assert.deepEqual(await tab.looks('token'), []);
    await tab.page.type('#token-input', tokens.of('operator'));
    await tab.page.keyboard.press('Enter');

    await tab.says('#state', /^serving$/);
    assert.equal(await tab.page.evaluate('localStorage.length + document.cookie.length'), 0);
    assert.equal(await tab.page.evaluate('sessionStorage.length'), 1);
    await tab.page.reload();
    await tab.says('#state', /^serving$/);
  });

  it('is accessible, on a phone and on a desktop, in the light and in the dark', async (t) => {
    const { server, url } = await served(t);
    const tab = await Tab.open(t, url);
    await tab.says('#transfers-empty', /Nothing moves/);
    assert.deepEqual(await tab.looks('idle'), []);

    await download(t, server, 'images/a-name-that-is-long-enough-to-be-cut.iso'.replace('/', '-'));
    await download(t, server, 'x'.repeat(200));
    const { call } = server.client().clientStream('UploadFile');
    t.after(() => call.cancel());
    call.on('error', () => {});
    call.write({
      start: { fileName: 'upload.bin', expected: { size: 2 * MIB } },
      chunk: noise(3, 100_000).bytes(0, 100_000),
    });
    await server.client().fetch({ fileName: 'gone' });
    await tab.says('#transfers-count', /3/);
    await tab.until(
      "document.querySelector('#rate-chart').getAttribute('aria-label').startsWith('sent: now')",
    );
    await tab.page.click('#config summary');
    await tab.says('#config-table', /slab\.count/);
    assert.deepEqual(await tab.looks('load'), []);

    await tab.page.click('#transfers-table tbody button');
    await tab.says('#confirm', /Cancel this transfer/);
    assert.deepEqual(await tab.looks('confirm'), []);
    assert.deepEqual(tab.problems, []);
  });
});
