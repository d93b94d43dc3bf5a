/**
 * The environment of a user's shell: this process's own without what steers
 * sluice or its tests, which `sluice` would take for settings.
 */
export const userEnvironment: NodeJS.ProcessEnv = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_')),
);
