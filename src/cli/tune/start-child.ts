/** Child processes of `sluice tune`. They end with their parent, however it ends, and with the caller's signal. */
import { ENV_PREFIX } from '../../config/settings.ts';
import { Child } from '../process/child.ts';

const END_WITH_PARENT = new URL('./end-with-parent.js', import.meta.url);

/** A compiled module as a program with a channel for messages. It sees no settings of sluice in its environment. */
export function startChild(name: string, module: URL, args: readonly string[], signal: AbortSignal): Child {
  return new Child(name, process.execPath, ['--import', END_WITH_PARENT.href, module.pathname, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: environmentWithoutSettings(),
    signal,
    killSignal: 'SIGKILL',
  });
}

/** This environment without settings of sluice. */
export function environmentWithoutSettings(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith(ENV_PREFIX)));
}
