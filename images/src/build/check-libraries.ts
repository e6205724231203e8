// Finds programs that could not start: a recipe that excludes or strips too much fails its build, not
// its nodes.
import { isElf, neededLibraries } from "../core/elf/elf.ts";
import { RecipeError } from "../core/recipe/recipe.ts";
import type { FileTree } from "../core/tree/file-tree.ts";
import { readContent } from "./read-content.ts";

/** Folders the program loader looks into, and those that programs of Debian name themselves. */
const LIBRARY_FOLDERS = [
  "usr/lib/x86_64-linux-gnu",
  "usr/lib/x86_64-linux-gnu/systemd",
  "usr/lib/systemd",
  "usr/lib64",
  "usr/lib",
];
const PROGRAMS =
  /^usr\/(bin|sbin|lib\/systemd)\/[^/]+$|^usr\/lib\/x86_64-linux-gnu\/[^/]+\.so\.[^/]+$/;
const SHOWN_MAX = 10;

/** Throws {@link RecipeError} naming programs and libraries whose own libraries are absent. */
export async function checkLibraries(tree: FileTree): Promise<void> {
  const wanting: string[] = [];
  for (const [path, entry] of tree.entries()) {
    if (entry.kind !== "file" || !PROGRAMS.test(path)) continue;
    const bytes = await readContent(entry.content);
    if (!isElf(bytes)) continue;
    const absent = neededLibraries(bytes).filter((name) =>
      LIBRARY_FOLDERS.every((folder) => tree.fileAt(`${folder}/${name}`) === undefined),
    );
    if (absent.length > 0) wanting.push(`/${path} needs ${absent.join(", ")}`);
  }
  if (wanting.length === 0) return;
  const more = wanting.length > SHOWN_MAX ? ` and ${wanting.length - SHOWN_MAX} more` : "";
  throw new RecipeError(
    `programs of the image lack libraries: ${wanting.slice(0, SHOWN_MAX).join("; ")}${more}`,
  );
}
