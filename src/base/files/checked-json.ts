/** The content of a small JSON file that another process may have written. */
import type { z } from 'zod';

export type Zod = typeof z;

/**
 * Throws what is wrong with `text`. Zod is loaded only once there is something to
 * check: otherwise it would take a fifth of the start of every client.
 */
export async function checkedJson<Output>(
  text: string,
  schema: (zod: Zod) => z.ZodType<Output>,
): Promise<Output> {
  const content: unknown = JSON.parse(text);
  const zod = await import('zod');
  return schema(zod.z).parse(content);
}
