// What a kernel object says about itself in its .modinfo section: `key=value` strings.
import { ElfError, sectionBytes } from "../elf/elf.ts";

/** One kernel module of a package. */
export interface KernelModule {
  /** Name with underscores, as modprobe looks it up. */
  readonly name: string;
  /** Path below /lib/modules/VERSION, such as `kernel/fs/erofs/erofs.ko`. */
  readonly path: string;
  readonly depends: readonly string[];
  readonly aliases: readonly string[];
  /** Soft dependencies in modprobe.d syntax without the module name: `pre: crc32c post: x`. */
  readonly softDependencies: readonly string[];
}

/** Module and alias names are compared with underscores for dashes, but not inside brackets. */
export function underscored(name: string): string {
  let inside = false;
  let result = "";
  for (const character of name) {
    if (character === "[") inside = true;
    if (character === "]") inside = false;
    result += character === "-" && !inside ? "_" : character;
  }
  return result;
}

/** The module name of a `.ko` path. */
export function moduleName(path: string): string {
  return underscored(path.slice(path.lastIndexOf("/") + 1).replace(/\.ko$/, ""));
}

/** Reads the module information of one uncompressed kernel object. Throws {@link ElfError}. */
export function readModuleInfo(path: string, object: Uint8Array): KernelModule {
  const section = sectionBytes(object, ".modinfo");
  if (section === undefined) throw new ElfError(`${path} has no module information`);
  const fields = new TextDecoder().decode(section).split("\0").filter(Boolean);
  const values = (key: string): string[] =>
    fields
      .filter((field) => field.startsWith(`${key}=`))
      .map((field) => field.slice(key.length + 1));
  return {
    name: moduleName(path),
    path,
    depends: values("depends").flatMap((list) => list.split(",").filter(Boolean).map(underscored)),
    aliases: values("alias"),
    softDependencies: values("softdep"),
  };
}
