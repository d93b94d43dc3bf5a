/** The mark of an object that an upload made: the id, and the CRC-32 where it was known before the object was begun. */

export function markOf(id: string, crc32?: number): string {
  return crc32 === undefined ? id : `${id}.${crc32}`;
}

/** Undefined where the object is not that of the upload `id`. */
export function parseMark(mark: string, id: string): { crc32: number | undefined } | undefined {
  const [of, crc32, ...rest] = mark.split('.');
  if (of !== id || rest.length > 0) return undefined;
  return { crc32: crc32 === undefined ? undefined : Number(crc32) };
}
