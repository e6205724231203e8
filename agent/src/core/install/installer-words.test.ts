// Which site agent the installer asks, as the boot script put it on the kernel command line.
import { describe, expect, it } from "vitest";
import { InstallerWordsError, parseInstallerWords } from "./installer-words.ts";

describe("the installer's kernel command line", () => {
  it("names the site agent by the origin of the boot URL", () => {
    const words = parseInstallerWords(
      "initrd=initrd0 drover.mode=inventory drover.boot=http://10.77.0.1:8067/boot drover.mac=x console=tty0 console=ttyS0,115200n8",
    );
    expect(words).toEqual({
      siteUrl: "http://10.77.0.1:8067",
      siteIp: "10.77.0.1",
      mode: "inventory",
      consoleArguments: ["console=tty0", "console=ttyS0,115200n8"],
    });
  });

  it("prefers an address given for the agent itself", () => {
    const words = parseInstallerWords(
      "drover.boot=http://10.0.0.1/boot drover.agent=http://site.lan:8068",
    );
    expect(words.siteUrl).toBe("http://site.lan:8068");
    expect(words.siteIp).toBeUndefined();
    expect(words.mode).toBe("install");
  });

  it("is refused without a usable address", () => {
    for (const line of ["", "quiet", "drover.agent=ftp://10.0.0.1", "drover.boot=http://"])
      expect(() => parseInstallerWords(line), line).toThrow(InstallerWordsError);
  });
});
