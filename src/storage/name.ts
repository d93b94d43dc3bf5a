/**
 * The grammar of file names: `/`-separated, relative, well-formed Unicode,
 * bounded. Every name a peer sends passes here before any file-system call, so
 * that no name can leave the root by its spelling. (Leaving it by a symbolic
 * link is what the directory walk prevents.)
 */
import { TransferError } from '../base/errors.ts';
import { MAX_NAME_BYTES, MAX_NAME_COMPONENT_BYTES, MAX_NAME_DEPTH } from '../base/limits.ts';
import { quoteName } from './quoted-name.ts';

/**
 * Prefix of the server's temporary files: refused in names, and not listed.
 * Temporary files are called after an id, never after the file they become, so
 * a component may use all the bytes that the file system allows.
 */
const RESERVED_COMPONENT_PREFIX = '.sluice-';

/**
 * The components of `name`.
 *
 * @throws TransferError INVALID_NAME, saying what is wrong and what to do.
 */
export function parseName(name: string): readonly string[] {
  const fault = nameFault(name);
  if (fault !== undefined) throw new TransferError('INVALID_NAME', `the name ${quoteName(name)} ${fault}`);
  return name.split('/');
}

/** As `parseName`, for the directory of a listing: the empty prefix is the root and has no components. */
export function parsePrefix(prefix: string): readonly string[] {
  return prefix === '' ? [] : parseName(prefix);
}

/** What is wrong with `name` and the remedy, to stand after the name in a sentence; undefined when it is good. */
export function nameFault(name: string): string | undefined {
  if (name === '') return 'is empty; give the name of a file in the store';
  // UTF-8 has at least as many bytes as UTF-16 has code units: refuses a huge name before encoding it.
  if (name.length > MAX_NAME_BYTES || Buffer.byteLength(name) > MAX_NAME_BYTES) {
    return `is longer than ${MAX_NAME_BYTES} bytes; shorten it`;
  }
  if (!name.isWellFormed()) return 'is not well-formed Unicode; send valid UTF-8';
  if (/\p{Cc}/u.test(name)) return 'contains a control character; remove it';
  if (name.includes('\\')) return 'contains a backslash; separate components with "/"';
  if (name.startsWith('/'))
    return 'is absolute; remove the leading "/": names start at the root of the store';
  if (/^[a-z]:/i.test(name)) return 'starts with a drive; names start at the root of the store';
  return componentsFault(name.split('/'));
}

function componentsFault(components: readonly string[]): string | undefined {
  if (components.length > MAX_NAME_DEPTH) {
    return `is deeper than ${MAX_NAME_DEPTH} components; use fewer directories`;
  }
  if (components.at(-1) === '') return 'ends with "/"; remove it';
  for (const component of components) {
    const fault = componentFault(component);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Whether a component is the name of a file of our own. Some file systems ignore case, and would find ours under another spelling. */
export function isReserved(component: string): boolean {
  return component.toLowerCase().startsWith(RESERVED_COMPONENT_PREFIX);
}

function componentFault(component: string): string | undefined {
  if (component === '') return 'has an empty component; write a single "/" between components';
  if (component === '.' || component === '..') {
    return `has a "${component}" component; name the file from the root of the store`;
  }
  if (Buffer.byteLength(component) > MAX_NAME_COMPONENT_BYTES) {
    return `has a component longer than ${MAX_NAME_COMPONENT_BYTES} bytes; shorten it`;
  }
  if (isReserved(component)) {
    return `has a component that starts with "${RESERVED_COMPONENT_PREFIX}", which is reserved; use another name`;
  }
  return undefined;
}
