/** Permission bits as `ls` and `stat` of POSIX show them. */

/** For user, group and others: the letter in place of `x` where this bit is set as well. */
const SPECIAL = [
  [0o4000, 's'],
  [0o2000, 's'],
  [0o1000, 't'],
] as const;

/** `rwxr-x---`. */
export function writeMode(mode: number): string {
  return SPECIAL.map(([bit, letter], index) => {
    const bits = mode >> (6 - 3 * index);
    const [read, write] = [bits & 4 ? 'r' : '-', bits & 2 ? 'w' : '-'];
    const canExecute = (bits & 1) !== 0;
    const isSpecial = (mode & bit) !== 0;
    if (!isSpecial) return read + write + (canExecute ? 'x' : '-');
    return read + write + (canExecute ? letter : letter.toUpperCase());
  }).join('');
}

/** `0750`. */
export function writeOctal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}
