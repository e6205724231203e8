// Reads a recipe folder: recipe.yaml, the recipes it extends, and its lock file.
import { readFile, realpath } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parse } from "yaml";
import { type Lock, parseLock } from "../core/lock/lock.ts";
import { type Document, extendDocument, isDocument } from "../core/recipe/extend.ts";
import { parseRecipe, type Recipe, RecipeError } from "../core/recipe/recipe.ts";

const DEPTH_MAX = 8;
const LOCK_NAME = "lock.json";

/** A recipe with the folders its files may lie in, its own first. */
export interface LoadedRecipe {
  readonly recipe: Recipe;
  readonly folders: readonly string[];
}

async function readDocument(folder: string): Promise<Document> {
  const path = join(folder, "recipe.yaml");
  const text = await readFile(path, "utf8").catch((cause) => {
    throw new RecipeError(`recipe ${path} cannot be read`, { cause });
  });
  let document: unknown;
  try {
    document = parse(text, { maxAliasCount: 20 });
  } catch (cause) {
    throw new RecipeError(`recipe ${path} is not YAML`, { cause });
  }
  if (!isDocument(document)) throw new RecipeError(`recipe ${path} is not a mapping`);
  return document;
}

/** Reads and merges a recipe. Throws {@link RecipeError}. */
export async function loadRecipe(recipeFolder: string): Promise<LoadedRecipe> {
  const folders: string[] = [];
  const documents: Document[] = [];
  let folder = await realpath(recipeFolder).catch((cause) => {
    throw new RecipeError(`there is no recipe folder ${recipeFolder}`, { cause });
  });
  for (;;) {
    if (folders.includes(folder) || folders.length >= DEPTH_MAX) {
      throw new RecipeError(`recipe ${recipeFolder} extends itself, or too many others`);
    }
    const document = await readDocument(folder);
    folders.push(folder);
    documents.unshift(document);
    const base = document["extends"];
    if (base === undefined) break;
    if (typeof base !== "string") throw new RecipeError(`${folder}: extends is not a folder name`);
    folder = resolve(folder, base);
  }
  const merged = documents.reduce((base, overlay) => extendDocument(base, overlay), {});
  return { recipe: parseRecipe(merged, recipeFolder), folders };
}

/** The lock beside a recipe; undefined when there is none yet. */
export async function readLockFile(recipeFolder: string): Promise<Lock | undefined> {
  const path = join(recipeFolder, LOCK_NAME);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  return text === undefined ? undefined : parseLock(text, path);
}

/** Where a recipe's lock is kept. */
export function lockPath(recipeFolder: string): string {
  return join(recipeFolder, LOCK_NAME);
}
