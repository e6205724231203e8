// Where the lab keeps what outlives one run: its registry of processes and namespaces, and boot files
// fetched once. Everything lies below `.cache/lab` of the checkout.
import { mkdirSync } from "node:fs";
import { join } from "node:path";

/** The folder `.cache/lab/<name>`, made when it is missing. */
export function labFolder(name: string): string {
  const folder = join(import.meta.dirname, "../../.cache/lab", name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Marks everything of one test run, so that leftovers can be told apart from other runs. */
export function runId(): string {
  return process.env["DROVER_RUN"] ?? "r000000";
}
