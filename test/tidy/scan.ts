// Splits TypeScript source into code, comments and strings, so that a rule about one is not fooled by
// another. Line numbers are kept: blanked parts keep their line breaks.

export interface Piece {
  readonly line: number;
  readonly text: string;
}

export interface Scan {
  /** The source with the content of comments, strings and regular expressions blanked. */
  readonly code: string;
  readonly comments: readonly Piece[];
  readonly strings: readonly Piece[];
}

type Kind = "code" | "comment" | "string" | "regex";

// One alternative per thing that may hold what looks like something else. A slash starts a regular
// expression only after an operator or a keyword; a template counts as one string, `${}` included.
const token =
  /(?<comment>\/\/[^\n]*|\/\*[\s\S]*?\*\/)|(?<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?<tick>`)|(?<=(?:^|[=(,:[!&|?{};+\-*%<>~^]|=>|\breturn|\btypeof|\bcase)\s*)(?<regex>\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[dgimsuvy]*)/g;

/** Scans one source file. */
export function scan(source: string): Scan {
  const out: { kind: Kind; text: string; at: number }[] = [];
  let at = 0;
  token.lastIndex = 0;
  for (let found = token.exec(source); found !== null; found = token.exec(source)) {
    const { groups = {} } = found;
    out.push({ kind: "code", text: source.slice(at, found.index), at });
    const end = groups["tick"] === undefined ? token.lastIndex : endOfTemplate(source, found.index);
    out.push({ kind: kindOf(groups), text: source.slice(found.index, end), at: found.index });
    at = end;
    token.lastIndex = end;
  }
  out.push({ kind: "code", text: source.slice(at), at });
  return collect(out);
}

function kindOf(groups: Readonly<Record<string, string | undefined>>): Kind {
  if (groups["comment"] !== undefined) return "comment";
  return groups["regex"] === undefined ? "string" : "regex";
}

function endOfTemplate(source: string, start: number): number {
  for (let at = start + 1; at < source.length; at += 1) {
    if (source[at] === "\\") at += 1;
    else if (source[at] === "`") return at + 1;
    else if (source.startsWith("${", at)) at = endOfPlaceholder(source, at + 1);
  }
  return source.length;
}

/** Index of the bracket that closes the one at `start`, templates inside it skipped. */
function endOfPlaceholder(source: string, start: number): number {
  let depth = 0;
  for (let at = start; at < source.length; at += 1) {
    if (source[at] === "`") at = endOfTemplate(source, at) - 1;
    else if (source[at] === "{") depth += 1;
    else if (source[at] === "}") depth -= 1;
    if (depth === 0) return at;
  }
  return source.length;
}

function collect(parts: readonly { kind: Kind; text: string; at: number }[]): Scan {
  const comments: Piece[] = [];
  const strings: Piece[] = [];
  let code = "";
  let line = 1;
  for (const { kind, text } of parts) {
    if (kind === "comment") comments.push({ line, text });
    if (kind === "string") strings.push({ line, text: text.slice(1, -1) });
    code += kind === "code" ? text : text.replaceAll(/[^\n]/g, " ");
    line += text.split("\n").length - 1;
  }
  return { code, comments, strings };
}

/** Line number of a place in a text, from 1. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}
