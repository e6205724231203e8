// Facts of hollow nodes: made up from the node id, so that strata exist in rehearsals and stay the same.
import { MacAddress, type NodeId } from "@drover/shared/ids";
import type { NodeFacts } from "@drover/shared/node/facts";
import { seededRandom, seedOf } from "@drover/shared/random";

const models = ["hollow-s1", "hollow-s2", "hollow-m1"] as const;

export function hollowFacts(node: NodeId, mac: string): NodeFacts {
  const random = seededRandom(seedOf(node));
  const model = random.pick(models);
  return {
    vendor: "Drover",
    model,
    serial: node,
    uuid: "",
    firmware: random.chance(0.8) ? "uefi" : "bios",
    firmwareVersion: `1.${random.integer(4)}`,
    secureBoot: false,
    architecture: "x86_64",
    cpuModel: "hollow",
    cpuCount: 2,
    memoryBytes: 4 * 1024 ** 3,
    kernel: "",
    disks: [
      {
        name: "vda",
        sizeBytes: 32 * 1024 ** 3,
        logicalBlockBytes: 512,
        transport: "virtio",
        serial: node,
        wwn: "",
        model,
      },
    ],
    links: MacAddress.safeParse(mac).success
      ? [
          {
            name: "eth0",
            mac: MacAddress.parse(mac),
            driver: "hollow",
            carrier: true,
            speedMbit: 1000,
          },
        ]
      : [],
  };
}
