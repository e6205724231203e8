// `drover channel …`: promote and withdraw by signing the next version of a channel's metadata with
// keys that stay on this machine. The centre only stores what was signed.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { releaseApi } from "@drover/shared/api/release-api";
import { ChannelName, ImageId } from "@drover/shared/ids";
import { parseReleaseLabel, ReleaseCustom, releaseLabel } from "@drover/shared/release/release";
import { StoredKey, signerOf } from "@drover/shared/trust/keys";
import {
  makeReleaseMetadata,
  type ReleaseEntry,
  releaseEntries,
} from "@drover/shared/trust/release-metadata";
import type { Command } from "commander";
import { type Context, ExitError, exitCodes } from "../context.ts";
import { bytes, show, table } from "../output.ts";
import { as, wholeNumber } from "./arguments.ts";

const channelName = as(ChannelName, "a channel such as dev");
const releaseMetadataValidMs = 2 * 365 * 86_400_000;

interface SignOptions {
  keys?: string;
}

function keyFile(options: SignOptions, channel: string): StoredKey {
  const folder =
    options.keys ??
    (process.env["DROVER_DATA"] ? join(process.env["DROVER_DATA"], "keys") : undefined);
  if (!folder)
    throw new ExitError(
      exitCodes.usage,
      "no signing keys given: pass --keys DIR, the folder that keys init made",
    );
  const path = join(folder, "release", `${channel}.json`);
  try {
    return StoredKey.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (cause) {
    throw new ExitError(
      exitCodes.failed,
      `cannot read the signing key ${path}: ${cause instanceof Error ? cause.message : cause}`,
    );
  }
}

async function publish(
  context: Context,
  channel: ChannelName,
  options: SignOptions,
  change: (entries: readonly ReleaseEntry[]) => readonly ReleaseEntry[],
): Promise<void> {
  const key = keyFile(options, channel);
  const current = await context.ask(releaseApi.channelMetadata, { params: { channel } });
  const releases = change(current.metadata ? releaseEntries(current.metadata) : []);
  const metadata = makeReleaseMetadata(
    { version: current.version + 1, expiresAt: Date.now() + releaseMetadataValidMs, releases },
    [signerOf(key)],
  );
  const done = await context.ask(releaseApi.putChannel, {
    params: { channel },
    body: { metadata },
  });
  show(context.output, done, (view) => [
    `${view.channel} is at metadata version ${view.version} with ${view.releases} releases`,
  ]);
}

function labelOf(text: string): { name: string; semver: string } {
  const label = parseReleaseLabel(text);
  if (!label)
    throw new ExitError(exitCodes.usage, `expected a release such as till@1.2.0, got ${text}`);
  return label;
}

function promote(
  context: Context,
  channel: ChannelName,
  text: string,
  image: { id: ImageId; manifestBytes: number },
  options: PromoteOptions,
): Promise<void> {
  const label = labelOf(text);
  return publish(context, channel, options, (entries) => {
    if (entries.some((each) => releaseLabel(each) === text)) {
      throw new ExitError(
        exitCodes.failed,
        `${text} is already on ${channel}; a release never changes its image`,
      );
    }
    const own = entries
      .filter((each) => each.name === label.name)
      .map((each) => each.custom.counter);
    const custom = ReleaseCustom.parse({
      counter: options.counter ?? Math.max(0, ...own) + 1,
      minimum: options.minimum ?? 0,
      step: options.step ?? false,
    });
    return [
      ...entries,
      { ...label, imageId: image.id, manifestBytes: image.manifestBytes, custom },
    ];
  });
}

interface PromoteOptions extends SignOptions {
  counter?: number;
  minimum?: number;
  step?: boolean;
}

export function addChannel(program: Command, context: () => Context): void {
  const channel = program.command("channel").description("ordered pointers to releases");
  channel
    .command("list")
    .argument("<channel>", "channel", channelName)
    .action(async (name) => {
      const { items } = await context().ask(releaseApi.listReleases, { params: { channel: name } });
      show(context().output, items, (all) =>
        table(
          ["RELEASE", "COUNTER", "IMAGE", "NOTE"],
          all.map((each) => [
            releaseLabel(each),
            String(each.counter),
            each.imageId.slice(0, 12),
            each.withdrawn ? `withdrawn: ${each.withdrawn}` : "",
          ]),
        ),
      );
    });
  channel
    .command("promote")
    .description("offer an image as a release; changes no site by itself")
    .argument("<channel>", "channel", channelName)
    .argument("<name@semver>", "release")
    .argument("<image>", "image id", as(ImageId, "an image id"))
    .option("--keys <dir>", "folder with the signing keys")
    .option("--counter <number>", "release counter; default: next", wholeNumber)
    .option("--minimum <counter>", "lowest counter a node may run from now on", wholeNumber)
    .option("--step", "this release may not be skipped")
    .action(async (name, label: string, id, options: PromoteOptions) => {
      const { items } = await context().ask(releaseApi.listImages);
      const image = items.find((each) => each.id === id);
      if (!image) throw new ExitError(exitCodes.failed, `the centre has no image ${id}`);
      const bill = await context().ask(releaseApi.wanBill, { params: { image: id }, query: {} });
      context().output.notice(`WAN bill for a site with nothing: ${bytes(bill.fullBytes)}`);
      await promote(context(), name, label, image, options);
    });
  channel
    .command("withdraw")
    .description("mark a release known bad")
    .argument("<channel>", "channel", channelName)
    .argument("<name@semver>", "release")
    .requiredOption("--reason <text>", "why")
    .option("--keys <dir>", "folder with the signing keys")
    .action(async (name, text: string, options: SignOptions & { reason: string }) => {
      labelOf(text);
      await publish(context(), name, options, (entries) => {
        if (!entries.some((each) => releaseLabel(each) === text))
          throw new ExitError(exitCodes.failed, `channel ${name} has no release ${text}`);
        return entries.map((each) =>
          releaseLabel(each) === text
            ? { ...each, custom: { ...each.custom, withdrawn: options.reason } }
            : each,
        );
      });
    });
}
