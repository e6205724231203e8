// The same for a whole Debian system with systemd: scripts of packages, accounts and caches included.
import { it } from "vitest";
import { expectSameTwice } from "./build-twice.ts";

it("a Debian image built twice under other circumstances is one image", async () => {
  await expectSameTwice("debian-node");
});
