// Path patterns of recipes: `*` matches within one path component, `**` any number of them, `?` one
// character. A pattern that names a folder covers everything below it.

/** True when `path` (no leading slash) is covered by the pattern. */
export type PathMatcher = (path: string) => boolean;

const SPECIAL = /[.+^${}()|[\]\\]/g;

function toExpression(pattern: string): RegExp {
  const source = pattern
    .split("/")
    .map((part) =>
      part === "**"
        ? "**"
        : part.replace(SPECIAL, "\\$&").replace(/\*/g, "[^/]*").replace(/\?/g, "[^/]"),
    )
    .join("/")
    .replace(/\*\*\//g, "(?:[^/]+/)*")
    .replace(/\/\*\*/g, "/.+")
    .replace(/^\*\*$/, ".+");
  return new RegExp(`^${source}(?:/.*)?$`, "u");
}

/** Compiles patterns into one matcher; no patterns match nothing. */
export function matchPaths(patterns: readonly string[]): PathMatcher {
  const expressions = patterns.map(toExpression);
  return (path) => expressions.some((expression) => expression.test(path));
}
