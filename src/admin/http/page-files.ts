/** The page for operators: a few files of the package, which hold nothing of the server. */
import { readFile } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';

/** Beside the compiled sources, see scripts/build.mjs. */
const FOLDER = new URL('../../../page/', import.meta.url);

/** What is served at which path, and as what. */
const FILES = [
  ['/', 'index.html', 'text/html; charset=utf-8'],
  ['/main.js', 'main.js', 'text/javascript; charset=utf-8'],
  ['/style.css', 'style.css', 'text/css; charset=utf-8'],
  ['/icon.svg', 'icon.svg', 'image/svg+xml'],
] as const;

/** Whoever reaches the listener may have them: a browser has no token before it has the page. */
export function addPage(app: FastifyInstance): void {
  for (const [path, name, type] of FILES) {
    app.get(path, async (_request, reply) => reply.type(type).send(await readFile(new URL(name, FOLDER))));
  }
}
