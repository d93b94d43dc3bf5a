/** A YAML text as plain values, with the line of each: for files with a schema of their own. */
import { isNode, LineCounter, parseDocument } from 'yaml';

export interface YamlText {
  /** null where the text is empty. */
  readonly value: unknown;
  /** Why it is not YAML, with the line; `value` is null then. */
  readonly problems: readonly string[];
  /** Of the value at `path`, or of the nearest one that holds it. */
  readonly lineAt: (path: readonly PropertyKey[]) => number;
}

export function parseYaml(text: string): YamlText {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const problems = document.errors.map(
    ({ message, pos }) => `line ${lines.linePos(pos[0]).line}: not valid YAML: ${message}`,
  );
  return {
    value: problems.length > 0 ? null : document.toJS(),
    problems,
    lineAt: (path) => {
      for (let length = path.length; length > 0; length--) {
        const node: unknown = document.getIn(path.slice(0, length), true);
        if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
      }
      return 1;
    },
  };
}
