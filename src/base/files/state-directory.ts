/** Where this user's programs keep what they remember; XDG Base Directory Specification. */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** The directory of sluice there; undefined for a user without a home. It may not exist. */
export function stateDirectory(): string | undefined {
  const { XDG_STATE_HOME = '' } = process.env;
  if (isAbsolute(XDG_STATE_HOME)) return join(XDG_STATE_HOME, 'sluice');
  const home = homeDirectory();
  return isAbsolute(home) ? join(home, '.local', 'state', 'sluice') : undefined;
}

/** Empty for a user that the system does not know, as in a container. */
function homeDirectory(): string {
  try {
    return homedir();
  } catch {
    return '';
  }
}
