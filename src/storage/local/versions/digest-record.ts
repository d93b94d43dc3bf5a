/**
 * The file of kept digests: one line for each, behind one another. A later line
 * about a name holds instead of the ones before.
 *
 *   check  identity  SHA-256  "name"
 *
 * The check is of the rest of the line, so a torn or damaged line is skipped; one
 * that is lost is a digest to be computed again. The name is JSON.
 */
import { hash } from 'node:crypto';

/** A digest, and the only content that it is true of. */
export interface DigestRecord {
  readonly name: string;
  /** As `identityVersionOf` has it. */
  readonly identity: string;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** In front of what the check is of; changed when an older sluice would misread a line. */
const FORMAT = 'sluice digest 1';

const LINE = /^([0-9a-f]{16}) (([0-9a-f]{32}) ([0-9a-f]{64}) (".*"))$/s;

/** With line ends on both sides: what was torn before does not reach in. */
export function encodeDigests(records: Iterable<DigestRecord>): string {
  let text = '\n';
  for (const { identity, name, sha256 } of records) {
    const content = `${identity} ${sha256} ${JSON.stringify(name)}`;
    text += `${checkOf(content)} ${content}\n`;
  }
  return text;
}

export function* decodeDigests(text: string): Generator<DigestRecord, void, undefined> {
  for (const line of text.split('\n')) {
    const [, check, content = '', identity = '', sha256 = '', name = ''] = LINE.exec(line) ?? [];
    if (check !== undefined && check === checkOf(content)) {
      yield { name: JSON.parse(name) as string, identity, sha256 };
    }
  }
}

function checkOf(content: string): string {
  return hash('sha256', `${FORMAT}\n${content}`).slice(0, 16);
}
