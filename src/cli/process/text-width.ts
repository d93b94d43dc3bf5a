/** Text in the columns of a terminal. */

/** Cut to at most `columns`, from its beginning: the end of a name tells more. */
export function shortened(text: string, columns: number): string {
  const characters = [...text];
  let width = widthOf(text);
  if (width <= columns) return text;
  let cut = 0;
  while (width + 1 > columns && cut < characters.length) {
    width -= columnsOf(characters[cut] as string);
    cut += 1;
  }
  return `…${characters.slice(cut).join('')}`;
}

/** Cut to at most `columns`, from its end. */
export function cutOff(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let kept = '';
  let width = 1;
  for (const character of text) {
    width += columnsOf(character);
    if (width > columns) break;
    kept += character;
  }
  return `${kept}…`;
}

/** An upper bound of the columns that a text takes. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += columnsOf(character);
  return width;
}

/** An upper bound: most characters from Hangul Jamo on are two columns wide, but not punctuation, arrows and blocks. */
function columnsOf(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  const isNarrow = code < 0x1100 || (code >= 0x2010 && code <= 0x22ff) || (code >= 0x2500 && code <= 0x25fc);
  return isNarrow ? 1 : 2;
}
