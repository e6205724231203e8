// Starts the builder: a loop that takes queued builds and the maker that carries them out.

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { loadRecipe } from "@drover/images/build/load-recipe";
import type { BuildId, ImageId } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";
import { seededRandom } from "@drover/shared/random";
import { buildNext } from "../builds/builder-loop.ts";
import { imageMaker } from "../builds/image-maker.ts";
import type { Config } from "../config.ts";
import type { ContentStore } from "../content/content-store.ts";
import type { DataFolder } from "../embedded/data-folder.ts";
import { type Loop, startLoop } from "../loops/loop.ts";
import { buildRows } from "../store/build-rows.ts";
import type { Sql } from "../store/database.ts";
import { releaseRows } from "../store/release-rows.ts";
import { systemClock } from "./system-clock.ts";

/** Deltas are made from so many newest images of a recipe. */
const earlierMax = 3;

export function startBuilder(options: {
  config: Config;
  folder: DataFolder;
  sql: Sql;
  content: ContentStore;
  register: (imageId: ImageId) => Promise<unknown>;
  changed: (id: BuildId) => void;
  log: Log;
  signal: AbortSignal;
}): Loop {
  const { config, folder, sql, content, log, signal } = options;
  const maker = imageMaker({
    builder: join(import.meta.dirname, "../../../../images/src/main.ts"),
    recipesFolder: config.recipes,
    cacheFolder: folder.part("cache"),
    agentBundle: config.agentBundle,
    workFolder: folder.part("builds"),
    store: content,
    async earlier(recipe) {
      // Several recipes may make images of one name: a later version, a trial.
      const { name } = (await loadRecipe(join(config.recipes, recipe))).recipe;
      const images = await releaseRows(sql).images();
      return images
        .filter((image) => image.name === name)
        .slice(0, earlierMax)
        .map((image) => image.id);
    },
    async register(imageId) {
      await options.register(imageId);
    },
  });
  const ports = {
    queue: buildRows(sql),
    maker,
    holder: `${process.pid}-${randomBytes(6).toString("hex")}`,
    now: systemClock.now,
    log,
    changed: options.changed,
  };
  return startLoop({
    name: "builder",
    everyMs: 5_000,
    once: (abort) => buildNext(ports, abort),
    clock: systemClock,
    random: seededRandom(randomBytes(4).readUInt32LE()),
    log,
    signal,
  });
}
