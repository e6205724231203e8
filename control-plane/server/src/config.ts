// Settings of the control plane from flags and environment, checked once. Nothing else reads either.
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { FleetError } from "@drover/shared/errors";
import { z } from "zod";

/** The settings are wrong; the message says which and how to write them. */
export class ConfigError extends FleetError {
  readonly code = "config-invalid";
}

const url = (protocols: RegExp) => z.url({ protocol: protocols }).max(500);
const port = z.coerce.number().int().min(1).max(65_535);
/** A host name or an address. */
const hostName = z.string().regex(/^[A-Za-z0-9.:-]{1,253}$/);

export const Config = z.strictObject({
  data: z.string().min(1),
  port: port.default(8443),
  /** Address to listen on. */
  listen: hostName.default("127.0.0.1"),
  /** Names and addresses by which people and sites reach this server: all are in its certificate. */
  address: z.array(hostName).max(20).default([]),
  publicUrl: url(/^https$/).optional(),
  databaseUrl: url(/^postgres(ql)?$/).optional(),
  natsUrl: z
    .array(url(/^(tls|nats|wss)$/))
    .max(10)
    .default([]),
  natsPort: port.optional(),
  natsProgram: z.string().optional(),
  replicas: z.coerce.number().int().min(1).max(5).default(1),
  role: z.enum(["all", "http", "loops", "builder"]).default("all"),
  console: z.string().default(resolve(import.meta.dirname, "../../console/dist")),
  recipes: z.string().default(resolve(import.meta.dirname, "../../../images/recipes")),
  /** The node agent as one file, put into images. */
  agentBundle: z.string().default(resolve(import.meta.dirname, "../../../agent/dist/agent.mjs")),
  logLevel: z.enum(["debug", "info", "warn", "error"]).default("info"),
  /** The PATH that programs are looked up in. */
  path: z.string().default("/usr/bin:/bin"),
});
export type Config = z.infer<typeof Config>;

const flags = {
  data: { type: "string" },
  port: { type: "string" },
  listen: { type: "string" },
  address: { type: "string", multiple: true },
  "public-url": { type: "string" },
  "database-url": { type: "string" },
  "nats-url": { type: "string", multiple: true },
  "nats-port": { type: "string" },
  replicas: { type: "string" },
  role: { type: "string" },
  console: { type: "string" },
  recipes: { type: "string" },
  "agent-bundle": { type: "string" },
  "log-level": { type: "string" },
} as const;

const lists = ["address", "nats-url"];

/** Flags go before environment variables (`--nats-url` or `DROVER_NATS_URL`, lists with commas). */
export function readConfig(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Config {
  const values: Record<string, unknown> = { path: env["PATH"], natsProgram: env["NATS_SERVER"] };
  const given = parseFlags(args);
  for (const flag of Object.keys(flags)) {
    const text = env[`DROVER_${flag.toUpperCase().replaceAll("-", "_")}`];
    const fromEnv = text !== undefined && lists.includes(flag) ? text.split(",") : text;
    const name = flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    values[name] = given[flag] ?? fromEnv;
  }
  const defined = Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  );
  const parsed = Config.safeParse(defined);
  if (parsed.success) return { ...parsed.data, data: resolve(parsed.data.data) };
  const [issue] = parsed.error.issues;
  const what = issue?.path.join(".") ?? "";
  throw new ConfigError(
    what === "data"
      ? "name the data folder: --data DIR (or DROVER_DATA)"
      : `the setting ${what} is wrong: ${issue?.message ?? ""}`,
  );
}

function parseFlags(args: readonly string[]): Record<string, unknown> {
  try {
    return parseArgs({ args: [...args], options: flags, strict: true }).values;
  } catch (cause) {
    throw new ConfigError(cause instanceof Error ? cause.message : "unknown flag", { cause });
  }
}
