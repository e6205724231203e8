// `drover image …`: builds as jobs of the centre, and the images it has.
import { type BuildView, releaseApi } from "@drover/shared/api/release-api";
import { BuildId, ImageId } from "@drover/shared/ids";
import { releaseLabel } from "@drover/shared/release/release";
import type { Command } from "commander";
import { answer, type Context, ExitError, exitCodes } from "../context.ts";
import { bytes, show, table, when } from "../output.ts";
import { as } from "./arguments.ts";

const buildId = as(BuildId, "a build id such as b-abcd");

const buildLines = (build: BuildView): string[] => [
  `${build.id}  ${build.recipe}: ${build.state}${build.progress ? `, ${build.progress}` : ""}`,
  ...(build.imageId ? [`  image ${build.imageId}`] : []),
  ...build.because.map((reason) => `  because ${reason}`),
];

/** Follows a build to its end, printing its log lines as they come. */
async function follow(context: Context, build: BuildId): Promise<BuildView> {
  let after = 0;
  for (;;) {
    const view = await context.ask(releaseApi.getBuild, { params: { build } });
    const log = await context.ask(releaseApi.buildLog, { params: { build }, query: { after } });
    for (const line of log.lines) context.output.notice(line);
    after = log.next;
    if (view.state !== "queued" && view.state !== "running") return view;
    await context.pause(1000);
  }
}

export function addImage(program: Command, context: () => Context): void {
  const image = program.command("image").description("images and their builds");
  image
    .command("build")
    .description("build a recipe at the centre and follow it")
    .argument("<recipe>", "name of the recipe")
    .option("--detach", "only queue it")
    .action(async (recipe: string, options: { detach?: boolean }) => {
      const queued = await context().ask(releaseApi.startBuild, { body: { recipe } });
      const build = options.detach ? queued : await follow(context(), queued.id);
      show(context().output, build, buildLines);
      if (build.state === "failed" || build.state === "cancelled")
        throw new ExitError(exitCodes.failed, `build ${build.id} ${build.state}`);
    });
  image.command("builds").action(async () => {
    const { items } = await context().ask(releaseApi.listBuilds);
    show(context().output, items, (all) =>
      table(
        ["BUILD", "RECIPE", "STATE", "CREATED", "IMAGE"],
        all.map((each) => [
          each.id,
          each.recipe,
          each.state,
          when(each.createdAt),
          each.imageId?.slice(0, 12) ?? "-",
        ]),
      ),
    );
  });
  image
    .command("cancel")
    .argument("<build>", "build id", buildId)
    .action(async (id) => {
      await answer(context(), releaseApi.cancelBuild, { params: { build: id } }, buildLines);
    });
  image.command("list").action(async () => {
    const { items } = await context().ask(releaseApi.listImages);
    show(context().output, items, (all) =>
      table(
        ["IMAGE", "NAME", "SIZE", "CREATED", "RELEASES"],
        all.map((each) => [
          each.id,
          each.name,
          bytes(each.sizeBytes),
          when(each.createdAt),
          each.releases.map(releaseLabel).join(" "),
        ]),
      ),
    );
  });
  image
    .command("wan-bill")
    .description("exact bytes a site needs to reach the image")
    .argument("<image>", "image id", as(ImageId, "an image id"))
    .option("--from <image>", "the image the site has", as(ImageId, "an image id"))
    .action(async (id, options: { from?: ImageId }) => {
      const query = options.from ? { from: options.from } : {};
      await answer(context(), releaseApi.wanBill, { params: { image: id }, query }, (bill) => [
        `${bytes(bill.bytes)} by ${bill.tier} (full image ${bytes(bill.fullBytes)})`,
      ]);
    });
}
