// A browser that keeps silent about nothing: every console error, failed script and policy violation of the
// page is kept, so that a test can say there was none.
import { accessSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type Page } from "playwright-core";

const executablePath = "/usr/bin/chromium";
const args = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Runs in the page: a violation of the page's policy becomes one more console error. */
const tellViolations = `document.addEventListener("securitypolicyviolation", (event) => {
  console.error("policy violation: " + event.violatedDirective + " " + event.blockedURI);
});`;

export interface ConsoleBrowser {
  readonly page: Page;
  /** Errors of the page since the last call. */
  complaints(): string[];
  /** Writes a picture where `DROVER_SCREENSHOTS` says, if it says so. */
  picture(name: string): Promise<void>;
  close(): Promise<void>;
}

export async function openBrowser(): Promise<ConsoleBrowser> {
  try {
    accessSync(executablePath);
  } catch (cause) {
    throw new Error("the console is tested in Debian's chromium: install the package chromium", {
      cause,
    });
  }
  const profile = mkdtempSync(join(tmpdir(), "drover-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    args,
    ignoreHTTPSErrors: true,
    viewport: { width: 1280, height: 900 },
    colorScheme: "dark",
  });
  const page = context.pages()[0] ?? (await context.newPage());
  const heard: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") heard.push(message.text());
  });
  page.on("pageerror", (error) => heard.push(String(error)));
  await page.addInitScript({ content: tellViolations });
  return {
    page,
    complaints: () => heard.splice(0),
    async picture(name) {
      const folder = process.env["DROVER_SCREENSHOTS"];
      if (!folder) return;
      for (const colorScheme of ["dark", "light"] as const) {
        await page.emulateMedia({ colorScheme });
        await page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`), fullPage: true });
      }
      await page.setViewportSize({ width: 360, height: 740 });
      await page.screenshot({ path: join(folder, `${name}-narrow.png`), fullPage: true });
      await page.setViewportSize({ width: 1280, height: 900 });
    },
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
