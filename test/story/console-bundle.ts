// Bundles the console when its sources changed since the last time; a second start costs nothing.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "vite";

const home = join(import.meta.dirname, "../../control-plane/console");
const stamp = join(home, "dist", ".sources");

function sourcesDigest(): string {
  const hash = createHash("sha256");
  const names = [
    "index.html",
    "vite.config.ts",
    "package.json",
    ...readdirSync(join(home, "src"), { recursive: true, encoding: "utf8" }).map((name) =>
      join("src", name),
    ),
  ];
  for (const name of names.filter((each) => /\.[a-z]+$/.test(each)).sort()) {
    hash.update(name).update(readFileSync(join(home, name)));
  }
  return hash.digest("hex");
}

/** After this the control plane finds the console's files. */
export async function buildConsole(): Promise<void> {
  const digest = sourcesDigest();
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return;
  const before = process.env["NODE_ENV"];
  // Under a test runner React would otherwise be bundled for development.
  process.env["NODE_ENV"] = "production";
  try {
    await build({ root: home, configFile: join(home, "vite.config.ts"), logLevel: "warn" });
  } finally {
    if (before === undefined) delete process.env["NODE_ENV"];
    else process.env["NODE_ENV"] = before;
  }
  writeFileSync(stamp, digest);
}
