/**
 * A table that follows a list. Rows are kept and changed, so that focus and selection
 * survive; while somebody points at a row or has focus in the table, none moves.
 */
import { make, setAttribute, setText } from './dom.ts';

export interface Column<Row> {
  readonly title: string;
  /** Classes of its cells: number, text, wide, action. */
  readonly kind?: string;
  /** The text of a cell, or what fills it. */
  readonly text?: (row: Row) => string;
  /** Makes the content of a new cell, and returns what changes it. */
  readonly fill?: (cell: HTMLElement) => (row: Row) => void;
}

interface Line<Row> {
  readonly element: HTMLTableRowElement;
  readonly update: (row: Row) => void;
}

export class LiveTable<Row> {
  readonly #table: HTMLTableElement;
  readonly #columns: readonly Column<Row>[];
  readonly #keyOf: (row: Row) => string;
  readonly #body = make('tbody', { role: 'rowgroup' });
  readonly #lines = new Map<string, Line<Row>>();

  /** The first column is the header of its row. */
  constructor(table: HTMLTableElement, columns: readonly Column<Row>[], keyOf: (row: Row) => string) {
    this.#table = table;
    this.#columns = columns;
    this.#keyOf = keyOf;
    // As cards on a narrow screen it would be no table any more, had it not these roles.
    table.setAttribute('role', 'table');
    const titles = columns.map(({ kind = '', title }) =>
      make('th', { scope: 'col', role: 'columnheader', class: kind }, title),
    );
    table.append(make('thead', { role: 'rowgroup' }, make('tr', { role: 'row' }, ...titles)), this.#body);
  }

  /** @param onLost called where focus was in a row that is gone */
  show(rows: readonly Row[], onLost: () => void = () => {}): void {
    const keys = new Set(rows.map(this.#keyOf));
    const focused = document.activeElement;
    let isLost = false;
    for (const [key, { element }] of this.#lines) {
      if (keys.has(key)) continue;
      isLost ||= element.contains(focused);
      element.remove();
      this.#lines.delete(key);
    }
    const isHeld = this.#body.contains(document.activeElement) || this.#body.matches(':hover');
    let before: Element | null = this.#body.firstElementChild;
    for (const row of rows) {
      const line = this.#lineOf(this.#keyOf(row));
      line.update(row);
      if (isHeld && line.element.isConnected) continue;
      if (isHeld) this.#body.append(line.element);
      else if (line.element === before) before = before.nextElementSibling;
      else this.#body.insertBefore(line.element, before);
    }
    setAttribute(this.#table, 'aria-rowcount', String(rows.length + 1));
    if (isLost) onLost();
  }

  #lineOf(key: string): Line<Row> {
    const known = this.#lines.get(key);
    if (known !== undefined) return known;
    const updates: ((row: Row) => void)[] = [];
    const cells = this.#columns.map((column, index) => {
      const cell = newCell(column, index === 0);
      updates.push(updateOf(column, cell));
      return cell;
    });
    const element = make('tr', { role: 'row' }, ...cells);
    const line = {
      element,
      update: (row: Row) => {
        for (const update of updates) update(row);
      },
    };
    this.#lines.set(key, line);
    return line;
  }
}

function newCell<Row>({ kind = '', title }: Column<Row>, isHeader: boolean): HTMLElement {
  if (isHeader) return make('th', { scope: 'row', role: 'rowheader', class: kind });
  return make('td', { role: 'cell', class: kind, 'data-label': title });
}

function updateOf<Row>({ fill, text }: Column<Row>, cell: HTMLElement): (row: Row) => void {
  if (fill !== undefined) return fill(cell);
  return (row) => setText(cell, text?.(row) ?? '');
}
