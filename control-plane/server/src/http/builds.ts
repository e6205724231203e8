// Endpoints of builds: queue, follow, cancel. Builders do the work elsewhere.
import { type BuildView, releaseApi } from "@drover/shared/api/release-api";
import type { BuildId } from "@drover/shared/ids";
import { conflict, notFound } from "./problem.ts";
import type { Server } from "./serve.ts";

export interface BuildDesk {
  list(): Promise<BuildView[]>;
  get(id: BuildId): Promise<BuildView | undefined>;
  queue(input: { id: BuildId; recipe: string; by: string; now: number }): Promise<void>;
  log(id: BuildId, after: number): Promise<{ line: number; text: string }[]>;
  requestCancel(id: BuildId, by: string, now: number): Promise<boolean>;
}

export interface BuildOptions {
  readonly desk: BuildDesk;
  /** Names of the recipes this centre can build. */
  recipes(): Promise<readonly string[]>;
  newBuildId(): BuildId;
  readonly wakeBuilder: () => void;
  readonly now: () => number;
}

export function serveBuilds(server: Server, options: BuildOptions): void {
  const { desk, now } = options;
  const need = async (id: BuildId): Promise<BuildView> => {
    const build = await desk.get(id);
    if (!build) throw notFound(`the build ${id}`);
    return build;
  };
  server.person(releaseApi.listBuilds, "read", async () => ({ items: await desk.list() }));
  server.person(releaseApi.startBuild, "release", async ({ body }, person) => {
    const recipes = await options.recipes();
    if (!recipes.includes(body.recipe))
      throw notFound(`the recipe ${body.recipe} (there are: ${recipes.join(", ") || "none"})`);
    const id = options.newBuildId();
    await desk.queue({ id, recipe: body.recipe, by: person.name, now: now() });
    options.wakeBuilder();
    return need(id);
  });
  server.person(releaseApi.getBuild, "read", ({ params }) => need(params.build));
  server.person(releaseApi.buildLog, "read", async ({ params, query }) => {
    await need(params.build);
    const lines = await desk.log(params.build, query.after);
    return {
      lines: lines.map((line) => line.text),
      next: lines.at(-1)?.line ?? query.after,
    };
  });
  server.person(releaseApi.cancelBuild, "release", async ({ params }, person) => {
    const build = await need(params.build);
    if (!(await desk.requestCancel(params.build, person.name, now())))
      throw conflict("build-over", `the build is ${build.state} already`);
    options.wakeBuilder();
    return need(params.build);
  });
}
