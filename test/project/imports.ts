/**
 * Who imports whom in the source tree, read from the text of the files.
 *
 * A small reader is enough because every import here is a static one with a
 * literal specifier; it also takes in `import type` and re-exports, since a
 * type is a dependency between layers like any other.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

export interface Import {
  /** From the root of the checkout: `src/engine/engine.ts`. */
  readonly importer: string;
  /** From the root of the checkout for a relative import, otherwise a package or built-in module. */
  readonly imported: string;
}

const SPECIFIERS = [
  /^\s*(?:import|export)\b[^'";]*\bfrom\s*['"]([^'"]+)['"]/gm,
  /^\s*import\s*['"]([^'"]+)['"]/gm,
  /\bimport\(\s*['"]([^'"]+)['"]/g,
];

/** The specifiers that a module imports or re-exports, in no particular order. */
export function specifiersIn(source: string): string[] {
  return SPECIFIERS.flatMap((pattern) => [...source.matchAll(pattern)].map((match) => match[1] as string));
}

/** All `.ts` files below `folder`, as paths from `root`. */
export function sourceFiles(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
    .sort();
}

/** Every import of `file`, a path from `root`. */
export function importsOf(root: string, file: string): Import[] {
  return specifiersIn(readFileSync(join(root, file), 'utf8')).map((specifier) => ({
    importer: file,
    imported: specifier.startsWith('.') ? normalize(join(dirname(file), specifier)) : specifier,
  }));
}

/**
 * The imports that are part of a circle, or lie between two: what is left when
 * those into a file that imports nothing more, and those out of a file that
 * nobody imports any more, are taken away until there are none.
 */
export function circularImports(imports: readonly Import[]): readonly Import[] {
  const importers = new Set(imports.map(({ importer }) => importer));
  const imported = new Set(imports.map((each) => each.imported));
  const left = imports.filter((each) => importers.has(each.imported) && imported.has(each.importer));
  return left.length === imports.length ? left : circularImports(left);
}

/** The folders below `top`, itself included, that hold more than `most` files side by side, with how many there are. */
export function crowdedFolders(root: string, top: string, most: number): string[] {
  const entries = readdirSync(join(root, top), { withFileTypes: true });
  const below = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(top, name));
  const files = entries.filter((entry) => entry.isFile()).length;
  const crowded = below.flatMap((folder) => crowdedFolders(root, folder, most));
  return files > most ? [`${top}: ${files}`, ...crowded] : crowded;
}
