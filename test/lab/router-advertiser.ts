// Router advertisements for a lab network. iPXE waits 16 s for one on every boot; sites in the field
// have a router, a lab has none. Uses dnsmasq when it is installed and does without otherwise.
import { existsSync } from "node:fs";
import type { LabNamespace } from "./namespace.ts";

const program = "/usr/sbin/dnsmasq";

/** Starts advertising on the bridge. Returns false, and boots take longer, without dnsmasq. */
export function advertiseRouter(namespace: LabNamespace): boolean {
  if (!existsSync(program)) return false;
  namespace.run("ip", "addr", "add", "fd77::1/64", "dev", "br0", "nodad");
  // Without an IPv4 range it opens neither the DHCP nor the DNS port.
  const args =
    "--keep-in-foreground --conf-file=/dev/null --pid-file= --user=root --port=0 --interface=br0";
  const range = ["--enable-ra", "--dhcp-range=fd77::,ra-only", "--dhcp-leasefile=/dev/null"];
  namespace.spawn(program, [...args.split(" "), ...range], { stdio: "ignore" });
  return true;
}
