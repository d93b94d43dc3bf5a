import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { SuggestionBudget } from '../../../src/storage/local/suggestion-budget.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { failureOf, scratchStore } from '../../support/stores/scratch-store.ts';

describe('a flood of names that are not found', () => {
  it('gets plain advice once it has used up its part of the time, and suggestions again later', async () => {
    const clock = new FakeClock();
    let looks = 0;
    const budget = new SuggestionBudget(clock.nowMs);
    const look = async () => {
      looks += 1;
      clock.pass(7);
      return 'name';
    };
    const flood = async (misses: number) => {
      looks = 0;
      for (let miss = 0; miss < misses; miss += 1) await budget.spend(look);
      return looks;
    };
    assert.equal(await flood(1000), 73);
    clock.pass(1000);
    assert.ok((await flood(1000)) <= 3, 'a second has 20 ms for suggestions');
    clock.pass(60_000);
    assert.equal(await budget.spend(look), 'name');
  });

  it('has one suggestion at a time', async (t) => {
    const { store, at } = await scratchStore(t);
    await mkdir(at('many'));
    for (let index = 0; index < 300; index++) writeFileSync(at(`many/entry-${index}`), '');
    const misses = Array.from({ length: 50 }, () => failureOf(store.open('many/entry_7')));
    const messages = (await Promise.all(misses)).map(({ message }) => message);
    const suggesting = messages.filter((message) => message.includes('did you mean "many/entry-'));
    assert.ok(suggesting.length >= 1 && suggesting.length < 50, `${suggesting.length}`);
    assert.ok(messages.every((message) => /did you mean|; list the directory to see/.test(message)));
  });
});

describe('a name that is not found', () => {
  const files = {
    'models/llama.bin': '',
    'models/LLAMA.BIN.sig': '',
    'README.md': '',
    'readmi.md': '',
    ab: '',
    ['long'.repeat(20)]: '',
    ['é.txt'.normalize('NFD')]: '',
  };
  const cases: [string, string, string | undefined][] = [
    ['one edit away is suggested', 'models/lama.bin', 'models/llama.bin'],
    ['two letters swapped is suggested', 'models/llmaa.bin', 'models/llama.bin'],
    ['in another case is suggested before a nearer spelling', 'readme.md', 'README.md'],
    ['with its accent encoded otherwise is suggested', 'é.txt'.normalize('NFC'), 'é.txt'.normalize('NFD')],
    ['in a misspelt directory suggests the directory', 'model/llama.bin', 'models'],
    ['far from everything suggests nothing', 'models/quite-different', undefined],
    ['too short to be a misspelling suggests nothing', 'zz', undefined],
    ['too long to be measured suggests nothing', `${'long'.repeat(20)}x`, undefined],
    ['too long to be measured, in another case, is suggested', 'LONG'.repeat(20), 'long'.repeat(20)],
    ['below a file suggests nothing', 'ab/x', undefined],
    ['as a directory does not suggest a file', 'READNE.md/x', undefined],
  ];
  for (const [title, name, suggestion] of cases) {
    it(title, async (t) => {
      const { store } = await scratchStore(t, files);
      const { message } = await failureOf(store.open(name));
      const expected =
        suggestion === undefined
          ? 'list the directory to see what there is'
          : `did you mean "${suggestion}"?`;
      assert.ok(message.endsWith(`; ${expected}`), message);
    });
  }

  it('suggests nothing that cannot be asked for', async (t) => {
    const { store, at } = await scratchStore(t, { '.sluice-upload': '' });
    await symlink('x', at('target-link'));
    assert.match((await failureOf(store.open('target-lnk'))).message, /; list the directory/);
    assert.match((await failureOf(store.open('sluice-upload'))).message, /; list the directory/);
  });

  it('is answered in a directory of many entries too', async (t) => {
    const { store, at } = await scratchStore(t);
    await mkdir(at('many'));
    for (let index = 0; index < 1500; index++) writeFileSync(at(`many/entry-${index}`), '');
    assert.equal((await failureOf(store.open('many/entry'))).code, 'NOT_FOUND');
  });
});
