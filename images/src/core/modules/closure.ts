// Which kernel modules an image keeps: those its hardware profile names and all they need.
import { FleetError } from "@drover/shared/errors";
import { type KernelModule, underscored } from "./modinfo.ts";

/** The profile names a module that this kernel neither has nor has built in. */
export class MissingModuleError extends FleetError {
  readonly code = "kernel-module-missing";
}

/** Modules a soft dependency asks for, `pre:` and `post:` alike. */
export function softDependencyNames(softDependency: string): string[] {
  return softDependency
    .split(/\s+/)
    .filter((word) => word !== "" && !word.endsWith(":"))
    .map(underscored);
}

/**
 * The wanted modules and their hard and soft dependencies, in the kernel's own order. `builtIn` holds
 * names compiled into the kernel; wanting one of these is fine. Soft dependencies may be absent.
 */
export function moduleClosure(
  all: readonly KernelModule[],
  wanted: readonly string[],
  builtIn: ReadonlySet<string>,
): KernelModule[] {
  const byName = new Map(all.map((module) => [module.name, module]));
  const kept = new Set<string>();
  const visit = (name: string, because: string, soft: boolean): void => {
    if (kept.has(name) || builtIn.has(name)) return;
    const module = byName.get(name);
    if (module === undefined) {
      if (soft) return;
      throw new MissingModuleError(`kernel module ${name} (${because}) is not in this kernel`);
    }
    kept.add(name);
    for (const dependency of module.depends) visit(dependency, `needed by ${name}`, false);
    for (const line of module.softDependencies) {
      for (const dependency of softDependencyNames(line)) visit(dependency, name, true);
    }
  };
  for (const name of wanted) visit(underscored(name), "named by the hardware profile", false);
  return all.filter((module) => kept.has(module.name));
}
