/** A running server takes over what it can of a changed configuration, and says what it cannot. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { availableMemoryBytes } from '../../src/config/memory/available-memory.ts';
import { writeValue } from '../../src/config/notation.ts';
import { SETTINGS, type Setting } from '../../src/config/settings.ts';
import type { GetConfigResponse } from '../../src/wire/admin-messages.ts';
import { accessFile } from '../access/tokens.ts';
import { noise, writeContent } from '../support/content.ts';
import { LineLog } from '../support/line-log.ts';
import { AdminClient } from '../support/peers/admin-client.ts';
import { selfSigned, withoutOpenssl as skip } from '../support/peers/certificates.ts';
import { firstMessage, RawClient } from '../support/peers/raw-client.ts';
import { scratchDirectory, scratchRoot } from '../support/scratch.ts';
import { SluiceProcess } from '../support/sluice-process.ts';
import { KIB, MIB, startServer } from '../support/test-server.ts';

type Values = Readonly<Record<string, string>>;

interface Line {
  changed?: string[];
  afterRestart?: string[];
}

/** JSON is YAML. */
function writeConfig(path: string, values: Values): void {
  const tree: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(values)) {
    const [group, name] = key.split('.') as [string, string | undefined];
    tree[group] = name === undefined ? value : { ...(tree[group] as object | undefined), [name]: value };
  }
  writeFileSync(path, JSON.stringify(tree));
}

/** Starts a server with a file of `values`; the function changes the file and has the server reload it. */
async function configured(t: TestContext, values: Values) {
  const path = join(scratchDirectory(t), 'sluice.json');
  writeConfig(path, values);
  const env = { SLUICE_ADMIN_LISTEN: '' };
  const server = new SluiceProcess(t, ['serve', '--config', path], { env });
  const [, address = ''] = await server.says(/^sluice is ready on (\S+),/);
  let reloads = 0;
  const reload = async (changed: Values): Promise<Line> => {
    reloads += 1;
    writeConfig(path, { ...values, ...changed });
    server.process.kill('SIGHUP');
    await server.says(new RegExp(`(?:"msg":"reloaded.*\\n[^]*?){${reloads}}`));
    return JSON.parse(server.stderr.match(/^.*"msg":"reloaded.*$/gm)?.at(-1) ?? '') as Line;
  };
  return { server, address, reload };
}

/** Another valid value than the default, also beside those of the other settings. */
function otherValue({ meta }: Setting): string {
  const { choices = [], initial, kind, range } = meta;
  if (kind === 'flag') return String(!initial);
  if (kind === 'choice') return choices.find((choice) => choice !== initial) ?? '';
  const number = Number(initial);
  return writeValue(number > (range?.min ?? 0) ? number - 1 : number + 1, meta);
}

test('what the schema marks as live is taken over, and the line names everything else that has changed', {
  skip,
}, async (t) => {
  const directory = scratchDirectory(t);
  const [own, other] = [selfSigned(directory, 'own'), selfSigned(directory, 'other')];
  const access = () => accessFile(t, { rules: [] }).path;
  const given = { listen: '127.0.0.1:0', root: scratchRoot(t), access: access(), 'admin.listen': 'off' };
  const { reload } = await configured(t, {
    ...given,
    'tls.cert': own.cert,
    'tls.key': own.key,
    'tls.clientCa': own.cert,
  });
  const changed = await reload({
    ...Object.fromEntries(SETTINGS.map((setting) => [setting.key, otherValue(setting)])),
    listen: '127.0.0.1:1',
    root: directory,
    access: access(),
    'admin.listen': '127.0.0.1:1',
    'tls.cert': other.cert,
    'tls.key': other.key,
    'tls.clientCa': other.cert,
    'uploads.window': '64KiB',
    'limits.trustedProxies': '10.0.0.1',
  });
  const live = SETTINGS.filter(({ meta }) => meta.isLive).map(({ key }) => key);
  const others = SETTINGS.filter(({ meta }) => !meta.isLive).map(({ key }) => key);
  assert.deepEqual(changed.changed?.map((text) => text.split(':')[0]).sort(), live.sort());
  assert.deepEqual(changed.afterRestart, others);
});

test('reloaded limits hold for the next call and connection, and operators see what is in force', async (t) => {
  const root = scratchRoot(t);
  writeContent(join(root, 'large'), noise(1, 64 * MIB));
  const { server, address, reload } = await configured(t, {
    listen: '127.0.0.1:0',
    root,
    'admin.listen': 'off',
  });
  const client = new RawClient(address);
  t.after(() => client.close());
  const held = client.stream({ fileName: 'large' });
  held.on('error', () => {});
  await firstMessage(held);
  held.pause();
  const fetched = async () => (await client.fetch({ fileName: 'large', limit: KIB })).status;
  const valueInForce = async (key: string) => {
    const { answer } = await new AdminClient(t, address).unary<GetConfigResponse>('GetConfig', {});
    return answer?.settings.find((setting) => setting.key === key)?.value;
  };
  assert.equal(await fetched(), 'OK');

  const lowered = await reload({ 'limits.streams': '1', 'slab.count': '20' });
  assert.deepEqual(lowered.changed, [`limits.streams: ${initialOf('limits.streams')} → 1`]);
  assert.deepEqual(lowered.afterRestart, ['slab.count']);
  assert.equal(await fetched(), 'RESOURCE_EXHAUSTED');
  assert.equal(await valueInForce('limits.streams'), '1');
  assert.equal(await valueInForce('slab.count'), initialOf('slab.count'));

  await reload({ 'limits.streams': '2', 'limits.connections': '1' });
  assert.equal(await fetched(), 'OK');
  const refused = connect(Number(address.split(':').at(-1)), '127.0.0.1').on('error', () => {});
  await once(refused, 'close');
  await server.says(/limits\.connections is reached/);
});

function initialOf(key: string): string {
  const setting = SETTINGS.find((each) => each.key === key);
  assert.ok(setting);
  return writeValue(setting.meta.initial, setting.meta);
}

test('what would not be valid with the settings that need a restart is not taken over', async (t) => {
  const log = new LineLog();
  const mostBytes = Math.floor(availableMemoryBytes() * 0.6);
  const server = await startServer(
    t,
    { writable: true, uploads: { windowBudget: mostBytes } },
    { logger: log },
  );
  const { config } = server;
  await server.server.reload({
    ...config,
    uploads: { ...config.uploads, windowBudget: MIB },
    limits: { ...config.limits, streams: Math.floor(mostBytes / (152 * KIB)) },
  });
  const line = log.lines.find(({ message }) => message.startsWith('reloaded'));
  assert.equal(line?.level, 'error');
  const { answer } = await new AdminClient(t, server.address).unary<GetConfigResponse>('GetConfig', {});
  const streams = answer?.settings.find(({ key }) => key === 'limits.streams');
  assert.equal(streams?.value, String(config.limits.streams));
});
