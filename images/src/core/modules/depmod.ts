// The tables that modprobe and udev look modules up in, made from the modules an image keeps. Equal
// in meaning to depmod(8), but the same bytes on every machine.
import { type IndexEntry, indexFile } from "./index-file.ts";
import { type KernelModule, underscored } from "./modinfo.ts";

function dependencyPaths(
  module: KernelModule,
  byName: ReadonlyMap<string, KernelModule>,
): string[] {
  const paths: string[] = [];
  const visit = (name: string): void => {
    const dependency = byName.get(name);
    if (dependency === undefined) return;
    // Later mention wins: what others need has to be loaded first, and lists are read backwards.
    const at = paths.indexOf(dependency.path);
    if (at >= 0) paths.splice(at, 1);
    paths.push(dependency.path);
    for (const next of dependency.depends) visit(next);
  };
  for (const name of module.depends) visit(name);
  return paths;
}

function builtInEntries(builtIn: readonly string[]): IndexEntry[] {
  return builtIn.map((name) => ({ key: name, value: "", priority: 0 }));
}

/**
 * The files of /lib/modules/VERSION by name. `modules` is in the kernel's own order, which decides
 * between modules that claim the same alias; `builtIn` are names compiled into the kernel.
 */
export function moduleTables(
  modules: readonly KernelModule[],
  builtIn: readonly string[],
): Map<string, Uint8Array> {
  const byName = new Map(modules.map((module) => [module.name, module]));
  const dependencies = modules.map((module, index) => ({
    key: module.name,
    value: `${module.path}:${dependencyPaths(module, byName)
      .map((path) => ` ${path}`)
      .join("")}`,
    priority: index,
  }));
  const aliases = modules.flatMap((module, index) =>
    module.aliases.map((alias) => ({
      key: underscored(alias),
      value: module.name,
      priority: index,
    })),
  );
  const soft = modules.flatMap((module) =>
    module.softDependencies.map((line) => `softdep ${module.name} ${line}\n`),
  );
  const text = (lines: readonly string[]): Uint8Array => new TextEncoder().encode(lines.join(""));
  return new Map([
    ["modules.dep", text(dependencies.map((entry) => `${entry.value}\n`))],
    ["modules.dep.bin", indexFile(dependencies)],
    ["modules.alias", text(aliases.map((entry) => `alias ${entry.key} ${entry.value}\n`))],
    ["modules.alias.bin", indexFile(aliases)],
    ["modules.softdep", text(soft)],
    // Nothing resolves modules by exported symbol any more, but libkmod refuses to start without it.
    ["modules.symbols.bin", indexFile([])],
    ["modules.builtin.bin", indexFile(builtInEntries(builtIn))],
  ]);
}
