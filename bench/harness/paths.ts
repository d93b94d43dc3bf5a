/**
 * Where things are. The bench runs compiled, from `dist/bench`, beside the
 * compiled server in `dist/src`; what is not compiled lies in the repository.
 */
import { fileURLToPath } from 'node:url';

const compiledRoot = new URL('../../', import.meta.url);
const repositoryRoot = new URL('../', compiledRoot);

/** The path of a compiled module, named from the root: `bench/drivers/stock-driver.js`. */
export function compiledPath(module: string): string {
  return fileURLToPath(new URL(module, compiledRoot));
}

/** The path of a file of the repository, named from its root. */
export function repositoryPath(file: string): string {
  return fileURLToPath(new URL(file, repositoryRoot));
}
