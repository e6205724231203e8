// HTTP for booting: the iPXE script of a computer and the files it names. Everything here is public on
// the LAN, so nothing served holds a secret.
import type { Clock } from "@drover/shared/clock";
import type { Log } from "@drover/shared/log";
import { Hono } from "hono";
import { bootScript, canonicalMac } from "../../core/boot/boot-script.ts";
import type { BootSite } from "../../core/boot/boot-site.ts";
import { safeFileName } from "../../core/boot/file-name.ts";
import { answerWithFile, type NodeApp, type NodeEnv } from "../file-answer.ts";
import type { BootFileSource, OnBootEvent } from "./ports.ts";

export interface BootHttpOptions {
  readonly site: () => BootSite;
  readonly files: BootFileSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly onBootEvent: OnBootEvent;
}

/** An app to be mounted at the root of the site's LAN listener: `/boot/ipxe`, `/boot/files/<name>`. */
export function createBootHttp(options: BootHttpOptions): NodeApp {
  const app = new Hono<NodeEnv>();
  app.get("/boot/ipxe", (context) => {
    const mac = canonicalMac(context.req.query("mac") ?? "");
    const platform = context.req.query("platform");
    if (mac === undefined || (platform !== "bios" && platform !== "uefi"))
      return context.text("mac and platform=bios|uefi are needed\n", 400);
    const at = options.clock.now();
    const { text, intent, nodeId, because } = bootScript(options.site(), { mac, platform }, at);
    options.onBootEvent({
      at,
      service: "http",
      event: `script-${intent}`,
      mac,
      ...(nodeId === undefined ? {} : { nodeId }),
      because,
    });
    return context.text(text, 200, { "cache-control": "no-store" });
  });
  app.get("/boot/files/:name{.+}", async (context) => {
    const name = safeFileName(context.req.param("name"));
    const file = name === undefined ? undefined : await options.files.open(name);
    if (name === undefined || file === undefined) return context.text("not found\n", 404);
    return await answerWithFile(context, file, {
      contentType: contentType(name),
      log: options.log,
      onSent: () =>
        options.onBootEvent({
          at: options.clock.now(),
          service: "http",
          event: "file-sent",
          file: name,
          bytes: file.sizeBytes,
          because: [],
        }),
    });
  });
  return app;
}

/** UEFI HTTP boot decides by content type what it was given. */
function contentType(name: string): string {
  return name.toLowerCase().endsWith(".efi") ? "application/efi" : "application/octet-stream";
}
