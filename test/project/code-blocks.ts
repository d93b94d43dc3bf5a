/** The fenced code blocks of a Markdown page, with what the info string says to do with each. */

export interface CodeBlock {
  readonly language: string;
  /** The word after the language: `run`, `serve`, `npm` or `file=NAME`; empty when there is none. */
  readonly mark: string;
  readonly text: string;
}

const FENCED = /^```(\w+)[ ]?(\S*)\n(.*?)^```$/gms;

export function codeBlocksIn(page: string): CodeBlock[] {
  return [...page.matchAll(FENCED)].map(([, language = '', mark = '', text = '']) => ({
    language,
    mark,
    text,
  }));
}
