// The control plane of the story: started as its own program, spoken to through the command line.
import { join } from "node:path";
import type { BuildView, ImageView, WanBill } from "@drover/shared/api/release-api";
import type { ImageId } from "@drover/shared/ids";
import { type Cli, cliFor, type Program, type Programs, programs } from "./programs.ts";
import { must, until } from "./steps.ts";

export interface Centre {
  readonly program: Program;
  readonly url: string;
  readonly port: number;
  readonly busPort: number;
  readonly dataFolder: string;
  readonly cli: Cli;
}

export interface CentreOptions {
  readonly dataFolder: string;
  readonly port: number;
  readonly busPort: number;
}

/** Starts the control plane and waits until it serves. */
export async function startCentre(all: Programs, options: CentreOptions): Promise<Centre> {
  const { dataFolder, port, busPort } = options;
  const args = ["--data", dataFolder, "--port", String(port), "--nats-port", String(busPort)];
  const program = all.start("control-plane", programs.server, args);
  const ready = JSON.parse(await program.line(/^\{"ready":true/, 120_000)) as { url: string };
  return { program, url: ready.url, port, busPort, dataFolder, cli: cliFor(dataFolder, ready.url) };
}

/** Has the centre build a recipe and follows its log. */
export async function buildAtCentre(
  centre: Centre,
  recipe: string,
  progress: (text: string) => void,
): Promise<ImageId> {
  const queued = await centre.cli<BuildView>("image", "build", recipe, "--detach");
  const done = await until(
    `the build of ${recipe}`,
    async (seen) => {
      const { items } = await centre
        .cli<BuildView[] | { items: BuildView[] }>("image", "builds")
        .then((all) => (Array.isArray(all) ? { items: all } : all));
      const build = items.find((each) => each.id === queued.id);
      seen(build ? `${build.state}: ${build.progress}` : "not listed");
      return build && build.state !== "queued" && build.state !== "running" ? build : undefined;
    },
    { withinMs: 1_200_000, everyMs: 1000, progress },
  );
  must(
    done.state === "succeeded" && done.imageId,
    `the build of ${recipe} ${done.state}: ${done.because.join("; ")}`,
  );
  return done.imageId;
}

/** Offers an image on the channel `dev`, signed with the development keys of the data folder. */
export async function promote(centre: Centre, release: string, image: ImageId): Promise<void> {
  const keys = join(centre.dataFolder, "keys");
  await centre.cli("channel", "promote", "dev", release, image, "--keys", keys);
}

export async function images(centre: Centre): Promise<readonly ImageView[]> {
  return await centre.cli<ImageView[]>("image", "list");
}

/** Exact bytes from one image to another, as the centre plans them. */
export async function wanBill(centre: Centre, to: ImageId, from: ImageId): Promise<WanBill> {
  return await centre.cli<WanBill>("image", "wan-bill", to, "--from", from);
}
