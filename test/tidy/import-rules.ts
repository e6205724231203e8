// The import rules as data: who may import whom, and where each outside package has its home.
import type { PackageName } from "./source-files.ts";

/** What a package may import of ours, itself aside. */
export const mayImport: Readonly<Record<PackageName, readonly PackageName[]>> = {
  shared: [],
  images: ["shared"],
  agent: ["shared"],
  server: ["shared", "images"],
  console: ["shared"],
  cli: ["shared"],
  test: ["shared", "images", "agent", "server", "console", "cli"],
};

/** Folders of `shared` that may compute with `node:crypto`; nothing else of Node is allowed there. */
export const sharedCryptoFolders = ["trust", "chunk", "disk"] as const;

/**
 * Shell folders of a package that may not import one another. What one needs of another it declares as
 * a port; `main`, `roles` and composition files join them.
 */
export const siblingShells: Readonly<Partial<Record<PackageName, readonly string[]>>> = {
  server: ["http", "bus", "store", "content"],
  agent: ["site", "node"],
};

/** Outside packages and the paths that may import them (beside tests). Each has one home. */
export const homes: Readonly<Record<string, RegExp>> = {
  "@hono/node-server": /^(control-plane\/server\/src\/(http|main)|agent\/src\/(site|roles))/,
  "@hono/zod-openapi": /^(shared\/src\/api\/|control-plane\/server\/src\/http\/)/,
  "@nats-io/jetstream": /^control-plane\/server\/src\/bus\//,
  "@nats-io/transport-node": /^(control-plane\/server\/src\/bus\/|agent\/src\/)/,
  "@opentelemetry/api": /^control-plane\/server\/src\//,
  "@tufjs/models": /^shared\/src\/trust\//,
  commander: /^control-plane\/cli\/src\//,
  "@clack/prompts": /^control-plane\/cli\/src\//,
  croner: /^control-plane\/server\/src\//,
  "drizzle-orm": /^control-plane\/server\/src\/store\//,
  hono: /^(shared\/src\/api\/|control-plane\/server\/src\/http\/|agent\/src\/site\/)/,
  "node-cron": /^control-plane\/server\/src\/loops\//,
  pino: /^control-plane\/server\/src\//,
  postgres: /^control-plane\/server\/src\/store\//,
  "prom-client": /^control-plane\/server\/src\//,
  react: /^control-plane\/console\/src\//,
  semver: /^shared\/src\/release\//,
  "tar-stream": /^images\/src\/build\//,
  yaml: /^(images\/src|control-plane\/cli\/src)\//,
};

/** A method may be called like one of them: a declaration starts its line. Every `core` folder and all of `shared` are pure: these words reach for a clock, chance or the system. */
export const impure: readonly { readonly what: string; readonly pattern: RegExp }[] = [
  { what: "the clock", pattern: /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b/g },
  { what: "chance", pattern: /\bMath\.random\b|\bcrypto\.(?:random|getRandom)/g },
  { what: "a timer", pattern: /\b(?:setTimeout|setInterval|setImmediate|queueMicrotask)\(/g },
  { what: "the process", pattern: /\bprocess\.(?!\s)/g },
  { what: "the network", pattern: /(?<![.\w])(?<!^\s*(?:async\s+)?\*?)fetch\(/gm },
];

/** Besides, `core` never waits. */
export const waiting = { what: "async", pattern: /\basync\b|\bawait\b/g } as const;
