/** Tables that fit a terminal: columns are left out, the least important first, until the rest fits. */
import { cutOff, widthOf } from '../process/text-width.ts';

export interface Column<Row> {
  readonly title: string;
  /** In columns of the terminal. */
  readonly width: number;
  /** Columns with larger ones are left out first. */
  readonly rank: number;
  readonly isLeft?: boolean;
  text(row: Row): string;
}

/** The last column, which gets the rest of the line. */
export interface LastColumn<Row> {
  readonly title: string;
  readonly minWidth: number;
  /** At most `width` columns. */
  text(row: Row, width: number): string;
}

/** The title line, and one line for each row. */
export function tableLines<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  last: LastColumn<Row>,
  width: number,
): string[] {
  const shown = fitting(columns, width - last.minWidth);
  const rest = width - shown.reduce((sum, column) => sum + column.width + 1, 0);
  const line = (cells: readonly string[], end: string) => [...cells, end].join(' ').trimEnd();
  const title = line(
    shown.map((column) => aligned(column, column.title)),
    cutOff(last.title, rest),
  );
  const body = rows.map((row) =>
    line(
      shown.map((column) => aligned(column, column.text(row))),
      last.text(row, rest),
    ),
  );
  return [title, ...body];
}

function fitting<Row>(columns: readonly Column<Row>[], width: number): Column<Row>[] {
  let room = width;
  const kept = new Set<Column<Row>>();
  for (const column of columns.toSorted((a, b) => a.rank - b.rank)) {
    room -= column.width + 1;
    if (room < 0) break;
    kept.add(column);
  }
  return columns.filter((column) => kept.has(column));
}

function aligned<Row>({ isLeft = false, width }: Column<Row>, text: string): string {
  const cut = cutOff(text, width);
  const padding = ' '.repeat(Math.max(0, width - widthOf(cut)));
  return isLeft ? cut + padding : padding + cut;
}
