// Tells the kernel package from all others: it gives an image its kernel and modules, not its files.
import { RecipeError } from "../core/recipe/recipe.ts";
import type { ReadyPackage } from "./package-tree.ts";

/** The one package with a kernel, and the rest. Throws {@link RecipeError} for none or several. */
export function splitKernel(
  recipeName: string,
  packages: readonly ReadyPackage[],
): { kernel: ReadyPackage; others: ReadyPackage[] } {
  const isKernel = ({ unpacked }: ReadyPackage): boolean =>
    unpacked.entries.some((entry) => /^(\.\/)?boot\/vmlinuz-/.test(entry.path));
  const kernels = packages.filter(isKernel);
  const [kernel] = kernels;
  if (kernel === undefined || kernels.length > 1) {
    throw new RecipeError(`recipe ${recipeName} brings ${kernels.length} kernels, not one`);
  }
  return { kernel, others: packages.filter((ready) => ready !== kernel) };
}
