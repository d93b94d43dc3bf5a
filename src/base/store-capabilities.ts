/** What an object store may do or not, by the words of configuration and logs. */

export const STORE_CAPABILITIES = [
  'put-if-match',
  'put-if-match-unquoted',
  'delete-if-match',
  'complete-conditions',
  'checksums',
] as const;

export type StoreCapability = (typeof STORE_CAPABILITIES)[number];

/** They are to be found out. */
export const UNKNOWN_CAPABILITIES = 'auto';

const NONE = 'none';

/** The capabilities that `text` names; undefined where they are to be found out. Throws Error with the first word that is none. */
export function parseStoreCapabilities(text: string): ReadonlySet<StoreCapability> | undefined {
  if (text === UNKNOWN_CAPABILITIES) return undefined;
  const words = text === NONE ? [] : text.split(',').map((word) => word.trim());
  const unknown = words.find((word) => !(STORE_CAPABILITIES as readonly string[]).includes(word));
  if (unknown !== undefined) throw new Error(unknown);
  return new Set(words as StoreCapability[]);
}

export function storeCapabilitiesText(capabilities: ReadonlySet<StoreCapability>): string {
  return capabilities.size === 0 ? NONE : [...capabilities].join(',');
}
