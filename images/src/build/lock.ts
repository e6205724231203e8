// Resolves a recipe's packages into a lock. The only step that depends on the archive of the day;
// everything after it depends on the lock alone.
import { join } from "node:path";
import { canonicalJson } from "@drover/shared/canonical-json";
import { sha256Hex } from "@drover/shared/trust/digest";
import type { Stanza } from "../core/deb/stanza.ts";
import { type Lock, LockedPackage } from "../core/lock/lock.ts";
import type { Recipe } from "../core/recipe/recipe.ts";
import { type Apt, openApt, PackageResolutionError, type ResolvedPackage } from "./apt.ts";
import { withTemporaryFolder } from "./cache-folder.ts";
import type { Mirrors } from "./mirrors.ts";

/** Digest of the part of a recipe that decides which packages are locked. */
export function lockRequest(recipe: Recipe): Lock["request"] {
  const { install, alone, exclude } = recipe.packages;
  const asked = {
    base: recipe.base,
    architecture: recipe.architecture,
    install: [...install].sort(),
    alone: [...alone].sort(),
    exclude: [...exclude].sort(),
    kernel: recipe.kernel.package,
  };
  return sha256Hex(canonicalJson(asked));
}

export function toResolved(stanza: Stanza): ResolvedPackage {
  return { name: stanza.get("Package") ?? "", version: stanza.get("Version") ?? "" };
}

async function resolveKernel(apt: Apt, name: string): Promise<ResolvedPackage> {
  const [stanza] = await apt.candidates([name]);
  if (stanza === undefined) throw new PackageResolutionError(`the archive has no package ${name}`);
  const pinned = /(?:^|, )(linux-image-\S+) \(= ([^)]+)\)/.exec(stanza.get("Depends") ?? "");
  if (pinned === null) return toResolved(stanza);
  return { name: pinned[1] ?? "", version: pinned[2] ?? "" };
}

function toLocked(stanza: Stanza): LockedPackage {
  const filename = stanza.get("Filename") ?? "";
  return LockedPackage.parse({
    ...toResolved(stanza),
    architecture: stanza.get("Architecture"),
    archive: filename.startsWith("pool/updates/") ? "debian-security" : "debian",
    filename,
    sha256: stanza.get("SHA256"),
    sizeBytes: Number(stanza.get("Size")),
  });
}

/** One entry per name; the main archive wins over the security one, since it keeps versions longer. */
export function onePerName(stanzas: readonly Stanza[]): LockedPackage[] {
  const chosen = new Map<string, LockedPackage>();
  for (const stanza of stanzas) {
    const locked = toLocked(stanza);
    const old = chosen.get(locked.name);
    if (old === undefined || (old.archive !== "debian" && locked.archive === "debian")) {
      chosen.set(locked.name, locked);
    }
  }
  return [...chosen.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Resolves `recipe` against the archive as it is now. */
export function resolveLock(options: {
  readonly recipe: Recipe;
  readonly cacheFolder: string;
  readonly mirrors: Mirrors;
  readonly signal?: AbortSignal | undefined;
}): Promise<Lock> {
  const { recipe, cacheFolder, mirrors, signal } = options;
  return withTemporaryFolder(cacheFolder, async (folder) => {
    const { suite, components } = recipe.base;
    const apt = await openApt({
      folder: join(folder, "apt"),
      mirrors,
      suite,
      components,
      architecture: recipe.architecture,
      signal,
    });
    const excluded = new Set(recipe.packages.exclude);
    const installed = await apt.install(recipe.packages.install);
    const alone = (await apt.candidates(recipe.packages.alone)).map(toResolved);
    const missing = recipe.packages.alone.filter((name) => !alone.some((p) => p.name === name));
    if (missing.length > 0) {
      throw new PackageResolutionError(`the archive has no package ${missing.join(", ")}`);
    }
    const kernel = await resolveKernel(apt, recipe.kernel.package);
    const wanted = [...installed.filter(({ name }) => !excluded.has(name)), ...alone, kernel];
    return {
      schema: "drover.lock/1",
      suite,
      builtAtSeconds: await apt.newestIndexAtSeconds(),
      request: lockRequest(recipe),
      packages: onePerName(await apt.describe(wanted)),
    };
  });
}
