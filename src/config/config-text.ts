/** Writes settings into the text of a config file; everything else stays, comments too. */
import { isMap, parseDocument } from 'yaml';

/**
 * `text` with these settings (`{ 'pool.threads': '4' }`, in the notation of
 * their kinds) added or replaced. `text` is valid, as `parseConfigText` sees it.
 */
export function settingsIn(text: string, values: Readonly<Record<string, string>>): string {
  const document = parseDocument(text);
  for (const [key, value] of Object.entries(values)) {
    const path = key.split('.');
    const group = path.slice(0, -1);
    // A group with all members commented out is empty, and `setIn` fails below an empty group.
    if (group.length > 0 && document.hasIn(group) && !isMap(document.getIn(group)))
      document.setIn(group, document.createNode({}));
    document.setIn(path, scalarOf(value));
  }
  return Object.keys(values).length === 0 ? text : document.toString();
}

/** Numbers are written without quotes. */
function scalarOf(value: string): string | number {
  return /^\d+$/.test(value) ? Number(value) : value;
}
