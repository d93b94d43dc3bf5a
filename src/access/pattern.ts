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
    return this.#placesBehind(name).has(this.#components.length);
  }

  /** Whether it has a name below the one with these components, or that one. */
  leadsThrough(name: readonly string[]): boolean {
    return this.#placesBehind(name).size > 0;
  }

  /** Where in the pattern one may be behind `name`: before these of its components. */
  #placesBehind(name: readonly string[]): ReadonlySet<number> {
    let places = this.#withSkipped(new Set([0]));
    for (const component of name) {
      const next = new Set<number>();
      for (const place of places) {
        const pattern = this.#components[place];
        if (pattern === ANY_COMPONENTS) next.add(place);
        else if (pattern !== undefined && matchesComponent(pattern, component)) next.add(place + 1);
      }
      places = this.#withSkipped(next);
      if (places.size === 0) break;
    }
    return places;
  }

  /** A `**` may stand for nothing. */
  #withSkipped(places: Set<number>): Set<number> {
    // The set grows while it is walked, behind the element at hand.
    for (const place of places) if (this.#components[place] === ANY_COMPONENTS) places.add(place + 1);
    return places;
  }
}

/** The first part is at the start, the last at the end, the others in this order between them. */
function matchesComponent(parts: ComponentPattern, component: string): boolean {
  const [first = '', ...others] = parts;
  const last = others.pop();
  if (last === undefined) return component === first;
  if (!component.startsWith(first)) return false;
  let at = first.length;
  for (const part of others) {
    const found = component.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return component.length - last.length >= at && component.endsWith(last);
}
