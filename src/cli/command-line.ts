/** The running command, quoted for the user to run again. */

export function writeCommandLine(): string {
  return `sluice ${process.argv.slice(2).map(quoted).join(' ')}`;
}

/** Quotes an argument for a POSIX shell. */
function quoted(argument: string): string {
  return /^[\w@%+=:,./[\]-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
