// A network of its own for one lab site: a bridge with the site's address and one tap per virtual
// machine. Nothing outside the namespace can hear its DHCP.
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { runId } from "./lab-folder.ts";
import { cleanUpAfterDeadRuns, deleteNamespace, remember } from "./registry.ts";

export interface LabNamespace {
  readonly name: string;
  /** Address of the bridge, where the site's services listen. */
  readonly siteIp: string;
  readonly taps: readonly string[];
  /** Starts a program inside; it dies with this process. */
  spawn(program: string, args: readonly string[], options?: SpawnOptions): ChildProcess;
  /** Runs a program inside to its end and returns its output. Throws when it fails. */
  run(program: string, ...args: string[]): string;
  /** Kills what still runs inside and removes the network. */
  close(): void;
}

/** Makes a namespace. Throws without root, or when a command fails. */
export function createNamespace(options: {
  readonly taps: number;
  /** Address of the bridge, 10.77.0.1 unless given. */
  readonly siteIp?: string;
}): LabNamespace {
  if (process.getuid?.() !== 0) throw new Error("the lab needs root to make network namespaces");
  cleanUpAfterDeadRuns();
  const name = `drover-${runId()}-${randomBytes(3).toString("hex")}`;
  const forget = remember({ namespace: name });
  const siteIp = options.siteIp ?? "10.77.0.1";
  const run = (program: string, ...args: string[]): string =>
    runToEnd("ip", ["netns", "exec", name, program, ...args]);
  const children = new Set<ChildProcess>();
  const close = (): void => {
    // A program that changes its user loses the kernel's promise to kill it with us.
    for (const child of children) child.kill("SIGKILL");
    deleteNamespace(name);
    forget();
    process.off("exit", close);
  };
  process.on("exit", close);
  try {
    runToEnd("ip", ["netns", "add", name]);
    run("ip", "link", "set", "lo", "up");
    // Without forwarding delay: a bridge that learns for 15 s looks like a dead link to firmware.
    run("ip", "link", "add", "br0", "type", "bridge", "stp_state", "0", "forward_delay", "0");
    run("ip", "addr", "add", `${siteIp}/24`, "dev", "br0");
    run("ip", "link", "set", "br0", "up");
    const taps = Array.from({ length: options.taps }, (_, index) => `tap${index}`);
    for (const tap of taps) {
      run("ip", "tuntap", "add", "dev", tap, "mode", "tap");
      run("ip", "link", "set", tap, "master", "br0", "up");
    }
    return {
      name,
      siteIp,
      taps,
      run,
      close,
      spawn: (program, args, spawnOptions = {}) => {
        const child = spawnInside(name, program, args, spawnOptions);
        children.add(child);
        child.once("exit", () => children.delete(child));
        return child;
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** Puts a cable between the bridges of two namespaces, as if they were one LAN. */
export function joinNetworks(a: LabNamespace, b: LabNamespace): void {
  const end = `to-${b.name.slice(-6)}`;
  const otherEnd = `to-${a.name.slice(-6)}`;
  runToEnd("ip", [
    "link",
    "add",
    end,
    "netns",
    a.name,
    "type",
    "veth",
    "peer",
    "name",
    otherEnd,
    "netns",
    b.name,
  ]);
  a.run("ip", "link", "set", end, "master", "br0", "up");
  b.run("ip", "link", "set", otherEnd, "master", "br0", "up");
}

/**
 * `ip netns exec` and `setpriv` replace themselves by the program, so the pid is the program's own;
 * the kernel kills it when this process dies, however that happens.
 */
function spawnInside(
  name: string,
  program: string,
  args: readonly string[],
  options: SpawnOptions,
): ChildProcess {
  const words = ["netns", "exec", name, "setpriv", "--pdeathsig", "KILL", program, ...args];
  const child = spawn("ip", words, options);
  if (child.pid !== undefined) child.once("exit", remember({ pid: child.pid }));
  return child;
}

function runToEnd(program: string, args: readonly string[]): string {
  const result = spawnSync(program, args, { encoding: "utf8" });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0)
    throw new Error(`${program} ${args.join(" ")} failed: ${result.stderr.trim()}`);
  return result.stdout;
}
