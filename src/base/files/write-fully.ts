/** Writes all of `bytes`, however many calls of `write` that takes; each says how many bytes it took. */
export async function writeFully(
  write: (bytes: Uint8Array, position: number) => Promise<number>,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const taken = await write(bytes.subarray(done), position + done);
    if (taken === 0) throw Object.assign(new Error('write(2) took no byte'), { code: 'EIO' });
    done += taken;
  }
}
