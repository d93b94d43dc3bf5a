/** The running command as it can be typed again. */

export function writeCommandLine(): string {
  return `sluice ${process.argv.slice(2).map(quoted).join(' ')}`;
}

/** An argument as a POSIX shell reads it back. */
function quoted(argument: string): string {
  return /^[\w@%+=:,./[\]-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
