// A variant of a recipe: `extends` names the base folder, objects are merged, lists are appended and
// everything else is replaced. Order is kept, so the same two files always give the same recipe.

/** A parsed YAML mapping. */
export type Document = Readonly<Record<string, unknown>>;

/** True for a plain mapping. */
export function isDocument(value: unknown): value is Document {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `base` overlaid with `overlay`. */
export function extendDocument(base: Document, overlay: Document): Document {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(overlay)) {
    if (key === "extends") continue;
    const old = merged[key];
    if (isDocument(old) && isDocument(value)) merged[key] = extendDocument(old, value);
    else if (Array.isArray(old) && Array.isArray(value)) merged[key] = [...old, ...value];
    else merged[key] = value;
  }
  return merged;
}
