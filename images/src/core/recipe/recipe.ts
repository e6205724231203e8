// The recipe: what people write to say how an image is made. Parsed strictly, so that a misspelt
// key is an error and not a silently different image.
import { FleetError } from "@drover/shared/errors";
import { HardwareRequirements, Probe, StateContract } from "@drover/shared/image/manifest";
import { z } from "zod";
import { treePath } from "../tree/file-tree.ts";

/** The recipe does not say what can be built. */
export class RecipeError extends FleetError {
  readonly code = "recipe-invalid";
}

const packageName = z.string().regex(/^[a-z0-9][a-z0-9+.-]{0,79}$/);
const packageNames = z.array(packageName).max(500).default([]);
const moduleName = z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}$/);
const unitName = z.string().regex(/^[\w@.:\\-]{1,120}\.(service|socket|timer|target|mount|path)$/);
const account = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/);
const accountId = z.number().int().min(0).max(65_533);
const mode = z.string().regex(/^[0-7]{3,4}$/);
const pattern = z.string().min(1).max(300);

/** Absolute path inside the image. */
const imagePath = z
  .string()
  .max(400)
  .regex(/^\/[^\0]+$/)
  .refine((path) => !path.split("/").includes(".."), "must not contain ..")
  .transform((path) => treePath(path));

const content = z.union([
  z.strictObject({ text: z.string().max(65_536) }),
  /** A file below the recipe's folder. */
  z.strictObject({ from: z.string().regex(/^\w[\w.-]*(\/\w[\w.-]*)*$/) }),
  /** Copies a file that a package brought. */
  z.strictObject({ copy: imagePath }),
  z.strictObject({ link: z.string().min(1).max(400) }),
  z.strictObject({ folder: z.literal(true) }),
]);

export const RecipeFile = z.strictObject({
  path: imagePath,
  content,
  mode: mode.optional(),
  uid: accountId.default(0),
  gid: accountId.default(0),
});
export type RecipeFile = z.infer<typeof RecipeFile>;

const User = z.strictObject({
  name: account,
  id: accountId,
  home: z.string().regex(/^\/[\w./-]*$/),
  shell: z
    .string()
    .regex(/^\/[\w./-]*$/)
    .default("/usr/sbin/nologin"),
});

export const Recipe = z.strictObject({
  schema: z.literal("drover.recipe/1"),
  name: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/),
  description: z.string().max(400).default(""),
  architecture: z.literal("amd64"),
  base: z.strictObject({
    distribution: z.literal("debian"),
    suite: z.string().regex(/^[a-z][a-z0-9-]{1,30}$/),
    components: z.array(z.enum(["main", "contrib", "non-free", "non-free-firmware"])).min(1),
  }),
  packages: z.strictObject({
    /** Installed with everything they depend on (never what they only recommend). */
    install: packageNames,
    /** Taken without their dependencies. */
    alone: packageNames,
    /** Left out although something depends on them. */
    exclude: packageNames,
    /** Packages whose maintainer scripts this recipe replaces by what it declares. */
    scriptsReplaced: packageNames,
  }),
  kernel: z.strictObject({
    /** A kernel package, or a metapackage that depends on exactly one. */
    package: packageName,
    arguments: z.array(z.string().regex(/^[\x21-\x7e]{1,200}$/)).max(60),
    /** The hardware profile: modules of the running system, closed over their dependencies. */
    modules: z.array(moduleName).max(2000),
  }),
  initrd: z.strictObject({
    /** Modules that opening the root needs. */
    modules: z.array(moduleName).max(200),
    /** Programs of the root copied in with their libraries, without leading slash. */
    programs: z.array(z.string().regex(/^[\w][\w./+-]*$/)).max(20),
  }),
  /** Adds the pinned Node program at /usr/bin/node. */
  node: z.boolean(),
  /** Adds the node agent at /usr/lib/drover/agent.mjs. */
  agent: z.boolean(),
  files: z.array(RecipeFile).max(2000).default([]),
  accounts: z.strictObject({
    users: z.array(User).max(200).default([]),
    groups: z
      .array(z.strictObject({ name: account, id: accountId }))
      .max(200)
      .default([]),
  }),
  units: z.strictObject({
    enabled: z.record(unitName, z.array(unitName)).default({}),
    masked: z.array(unitName).default([]),
  }),
  /** Path patterns removed after all packages are unpacked. */
  strip: z.array(pattern).max(500).default([]),
  /** When not empty, only covered files of packages stay (links and folders follow). */
  keepOnly: z.array(pattern).max(500).default([]),
  probes: z.array(Probe).max(40).default([]),
  requires: HardwareRequirements,
  state: StateContract,
  parametersSchema: z.record(z.string(), z.json()).default({}),
});
export type Recipe = z.infer<typeof Recipe>;

/** Validates a merged recipe document; `source` names it in the error. */
export function parseRecipe(document: unknown, source: string): Recipe {
  const result = Recipe.safeParse(document);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => {
    const keys = issue.code === "unrecognized_keys" ? ` (${issue.keys.join(", ")})` : "";
    return `${issue.path.join(".") || "recipe"}: ${issue.message}${keys}`;
  });
  throw new RecipeError(`recipe ${source} is not valid: ${problems.join("; ")}`);
}
