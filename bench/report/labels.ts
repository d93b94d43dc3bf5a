/** Names beside the ends of lines, moved apart where lines end close together. */

/** The places nearest to the wanted ones, in the same order, at least `gap` apart and at most `most`. */
export function spreadApart(wanted: readonly number[], gap: number, most: number): number[] {
  const order = [...wanted.keys()].sort((one, other) => (wanted[one] ?? 0) - (wanted[other] ?? 0));
  const places = [...wanted];
  let floor = 0;
  for (const index of order) {
    places[index] = Math.max(floor, wanted[index] ?? 0);
    floor = (places[index] ?? 0) + gap;
  }
  // What was pushed beyond the top pushes back down.
  let ceiling = most;
  for (const index of order.reverse()) {
    places[index] = Math.min(ceiling, places[index] ?? 0);
    ceiling = (places[index] ?? 0) - gap;
  }
  return places;
}
