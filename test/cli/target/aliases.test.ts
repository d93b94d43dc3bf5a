/** Names for servers from the user's own file. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { withoutAliases } from '../../../src/cli/target/aliases.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { runSluice } from '../../support/sluice-process.ts';
import { startServer } from '../../support/test-server.ts';

function fileOf(t: TestContext, text: string): { SLUICE_CLIENT_CONFIG: string } {
  const path = join(scratchDirectory(t), 'client.yaml');
  writeFileSync(path, text);
  return { SLUICE_CLIENT_CONFIG: path };
}

test('an alias stands for a server or for several, alone or in a list', (t) => {
  const environment = fileOf(t, 'aliases: { prod: [h1:1, h2], test: "[::1]:2", sock: unix:/run/a }');
  for (const [servers, expected] of [
    [['prod'], 'h1:1,h2'],
    [['test'], '[::1]:2'],
    [['sock'], 'unix:/run/a'],
    [['prod', 'h3:3'], 'h1:1,h2,h3:3'],
    [['other'], 'other'],
  ] as const) {
    assert.equal(withoutAliases(servers, environment), expected);
  }
});

test('an alias wins over a host of its name, and what has a port is none', (t) => {
  const environment = fileOf(t, 'aliases: { localhost: 10.0.0.1, a.b: 10.0.0.2 }');
  assert.equal(withoutAliases(['localhost'], environment), '10.0.0.1');
  assert.equal(withoutAliases(['a.b'], environment), '10.0.0.2');
  assert.equal(withoutAliases(['localhost:50051'], environment), 'localhost:50051');
});

test('the file is below XDG_CONFIG_HOME, and need not be there', (t) => {
  const home = scratchDirectory(t);
  const environment = { XDG_CONFIG_HOME: home };
  assert.equal(withoutAliases(['prod'], environment), 'prod');
  mkdirSync(join(home, 'sluice'));
  writeFileSync(join(home, 'sluice', 'client.yaml'), 'aliases:\n  prod: h1:1\n');
  assert.equal(withoutAliases(['prod'], environment), 'h1:1');
});

test('a mistake is named with its file and line', (t) => {
  for (const [text, message] of [
    ['aliases:\n  a: h:1\n  b: [h:1, "h:x"]\n', /:3: aliases\.b: "h:x" is not a target/],
    ['aliases:\n  a: h:1\n  b: "h 1"\n', /:3: aliases\.b: "h 1" is not a target/],
    ['aliases:\n  a: []\n', /:2: aliases\.a: the list of servers is empty/],
    ['aliases:\n  a: 5\n', /:2: aliases\.a: write a server, or a list/],
    ['aliases:\n  a: [h:1, unix:/b]\n', /:2: aliases\.a: a list cannot have a Unix socket/],
    ['aliases:\n  "a:1": h\n', /:\d: a:1 is no alias; use letters/],
    ['alias:\n  a: h\n', /:1: /],
    ['aliases: {}\ntoken: x\n', /:1: unknown setting token; there is aliases/],
    ['aliases: [', /line 1: not valid YAML/],
  ] as const) {
    const environment = fileOf(t, text);
    assert.throws(
      () => withoutAliases(['a'], environment),
      ({ code, message: said }: Error & { code: string }) =>
        code === 'INVALID_CONFIG' && said.startsWith(environment.SLUICE_CLIENT_CONFIG) && message.test(said),
      text,
    );
  }
});

test('a file that is named must be there', () => {
  const environment = { SLUICE_CLIENT_CONFIG: '/nowhere/client.yaml' };
  assert.throws(
    () => withoutAliases(['a'], environment),
    /SLUICE_CLIENT_CONFIG: cannot read \S*\/nowhere\/client\.yaml: there is no such file/,
  );
});

test('the command line takes an alias for a list of servers', async (t) => {
  const one = await startServer(t);
  const two = await startServer(t, {}, { root: one.root });
  writeFileSync(one.at('file'), 'content');
  const environment = fileOf(t, `aliases:\n  prod: ["${one.address}", "${two.address}"]\n`);
  const { code, stdout } = await runSluice(t, ['get', 'prod/file', '-o', '-'], { env: environment });
  assert.deepEqual({ code, stdout }, { code: 0, stdout: 'content' });
});
