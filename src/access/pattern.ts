/**
 * Patterns of names in rules, such as `models/**` and `home/{identity}/*.bin`.
 * They are matched component by component, without regular expressions, in time
 * that no name can make grow beyond its length times that of the pattern.
 *
 *   *            any characters within one component
 *   **           any number of components, none too
 *   {identity}   the name of the identity, as it is: nothing in it is a wildcard, and
 *                one with a "/" is in no component, so it matches nothing
 */

const ANY_COMPONENTS = '**';
const IDENTITY = '{identity}';

/** The parts of a component between its asterisks. */
type ComponentPattern = readonly string[];

export class Pattern {
  readonly text: string;
  readonly #components: readonly (ComponentPattern | typeof ANY_COMPONENTS)[];

  /** @param text a name by its spelling; wildcards are characters that names may have */
  constructor(text: string, identityName: string) {
    this.text = text;
    this.#components = text
      .split('/')
      .map((component) =>
        component === ANY_COMPONENTS
          ? ANY_COMPONENTS
          : component.split('*').map((part) => part.replaceAll(IDENTITY, () => identityName)),
      );
  }

  /** Whether it has the name with these components; the root has none. */
  matches(name: readonly string[]): boolean {
    const components = this.#components;
    let at = 0;
    let next = 0;
    // The last `**`, and where what follows it was tried last: an earlier one need not take more.
    let any = -1;
    let tried = 0;
    while (at < name.length) {
      const pattern = components[next];
      if (pattern === ANY_COMPONENTS) {
        any = next;
        tried = at;
        next += 1;
      } else if (pattern !== undefined && matchesComponent(pattern, name[at] as string)) {
        at += 1;
        next += 1;
      } else if (any >= 0) {
        tried += 1;
        at = tried;
        next = any + 1;
      } else {
        return false;
      }
    }
    while (components[next] === ANY_COMPONENTS) next += 1;
    return next === components.length;
  }

  /** Whether it has a name below the one with these components, or that one. */
  leadsThrough(name: readonly string[]): boolean {
    for (const [at, component] of name.entries()) {
      const pattern = this.#components[at];
      if (pattern === ANY_COMPONENTS) return true;
      if (pattern === undefined || !matchesComponent(pattern, component)) return false;
    }
    return true;
  }
}

/** The first part is at the start, the last at the end, the others in this order between them. */
function matchesComponent(parts: ComponentPattern, component: string): boolean {
  const first = parts[0] as string;
  if (parts.length === 1) return component === first;
  if (!component.startsWith(first)) return false;
  let at = first.length;
  for (let index = 1; index < parts.length - 1; index++) {
    const part = parts[index] as string;
    const found = component.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  const last = parts[parts.length - 1] as string;
  return component.length - last.length >= at && component.endsWith(last);
}
