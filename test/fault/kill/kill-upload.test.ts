/** A server that dies during uploads loses nothing it acknowledged, and shows nothing early. */
import { test } from 'node:test';
import { uploadsWhileKilled } from '../../support/kill/kill-upload.ts';

test('uploads through two kills of the server lose nothing that was acknowledged', (t) =>
  uploadsWhileKilled(t, 2));
