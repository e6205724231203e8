// A page of docs that holds one Mermaid diagram, as text. The tests that walk a machine make it, so
// that picture and code cannot part.

export function mermaidPage(page: {
  readonly title: string;
  /** First line of the diagram, such as `stateDiagram-v2`. */
  readonly kind: string;
  readonly lines: readonly string[];
}): string {
  const note = "Made by the test that walks every pair of state and input; do not edit.";
  const diagram = [page.kind, ...page.lines].join("\n");
  return `# ${page.title}\n\n${note}\n\n\`\`\`mermaid\n${diagram}\n\`\`\`\n`;
}
