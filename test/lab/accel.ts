// Whether virtual machines may use KVM here. It can exist and hang or crash, so it is used only after a
// bounded probe boot got as far as the firmware's first words; else TCG.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";

export interface Accel {
  readonly kind: "kvm" | "tcg";
  readonly because: string;
}

const probeMs = 5000;
/** An ISA port to which SeaBIOS writes its log: proof that guest code runs. */
const probeArgs =
  "-accel kvm -cpu max -M q35 -nodefaults -display none -no-user-config -m 64 -no-reboot " +
  "-chardev stdio,id=log -device isa-debugcon,iobase=0x402,chardev=log";

let decided: Promise<Accel> | undefined;

/** Decided once per process. `DROVER_ACCEL=tcg` skips the probe. */
export function chooseAccel(): Promise<Accel> {
  decided ??= decide();
  return decided;
}

async function decide(): Promise<Accel> {
  if (process.env["DROVER_ACCEL"] === "tcg") return { kind: "tcg", because: "DROVER_ACCEL=tcg" };
  if (!existsSync("/dev/kvm")) return { kind: "tcg", because: "there is no /dev/kvm" };
  return (await probeBoots())
    ? { kind: "kvm", because: "a probe boot succeeded" }
    : {
        kind: "tcg",
        because: `/dev/kvm exists, but a probe boot failed or hung for ${probeMs} ms`,
      };
}

function probeBoots(): Promise<boolean> {
  return new Promise((resolve) => {
    const words = ["--pdeathsig", "KILL", "qemu-system-x86_64", ...probeArgs.split(" ")];
    const child = spawn("setpriv", words, { stdio: ["ignore", "pipe", "ignore"] });
    let log = "";
    const finish = (works: boolean): void => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      // A probe stuck in the kernel must not keep this process alive.
      child.unref();
      child.stdout.destroy();
      resolve(works);
    };
    const timer = setTimeout(() => finish(false), probeMs);
    child.on("error", () => finish(false));
    child.on("exit", () => finish(false));
    child.stdout.on("data", (bytes: Buffer) => {
      log += bytes.toString("latin1");
      if (log.includes("No bootable device") || log.includes("Booting from")) finish(true);
    });
  });
}
