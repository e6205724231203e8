// passwd, group and shadow from the distribution's base accounts and the recipe's own. Ids are
// written down in recipes, never allocated, so that state keeps its owner from image to image.
import { type Recipe, RecipeError } from "./recipe.ts";

/** The three account files as text. */
export interface AccountFiles {
  readonly passwd: string;
  readonly group: string;
  readonly shadow: string;
}

function fieldsOf(text: string): string[][] {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => line.split(":"));
}

function refuseDoubles(kind: string, rows: readonly string[][], idField: number): void {
  for (const field of [0, idField]) {
    const seen = new Set<string>();
    for (const row of rows) {
      const value = row[field] ?? "";
      if (seen.has(value)) throw new RecipeError(`two ${kind}s share the name or id ${value}`);
      seen.add(value);
    }
  }
}

/** Merges the base-passwd masters with the recipe's accounts. Every password is locked. */
export function accountFiles(
  masters: { readonly passwd: string; readonly group: string },
  accounts: Recipe["accounts"],
): AccountFiles {
  const users = [
    ...fieldsOf(masters.passwd),
    ...accounts.users.map((user) => [
      user.name,
      "x",
      String(user.id),
      String(user.id),
      user.name,
      user.home,
      user.shell,
    ]),
  ].map((row) => [row[0] ?? "", "x", ...row.slice(2)]);
  const groups = [
    ...fieldsOf(masters.group),
    ...accounts.users.map((user) => [user.name, "x", String(user.id), ""]),
    ...accounts.groups.map((group) => [group.name, "x", String(group.id), ""]),
  ].map((row) => [row[0] ?? "", "x", ...row.slice(2)]);
  refuseDoubles("user", users, 2);
  refuseDoubles("group", groups, 2);
  const lines = (rows: readonly string[][]): string =>
    rows.map((row) => `${row.join(":")}\n`).join("");
  return {
    passwd: lines(users),
    group: lines(groups),
    shadow: lines(users.map((row) => [row[0] ?? "", "*", "", "0", "99999", "7", "", "", ""])),
  };
}
