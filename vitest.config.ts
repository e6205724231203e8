// The test projects. Everything but `*.nightly.test.ts` runs on every change. Of the files that start
// services or virtual machines two run at a time: each waits more than it computes.
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const nightly = "**/*.nightly.test.{ts,tsx}";
const integration = "**/*.integration.test.ts";
const never = ["**/node_modules/**", "**/dist/**"];

/** A slow computer makes tests slower, never red. */
const slowness = Number(process.env["DROVER_SLOWNESS"] ?? "1");

const twoAtATime = { maxWorkers: 2 } as const;

/** The stories take longest, so they begin first and the short files fill up the other place. */
class StoriesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isStory = ({ moduleId }: TestSpecification): boolean => moduleId.includes("/lab/story-");
    return [...sorted.filter(isStory), ...sorted.filter((file) => !isStory(file))];
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: StoriesFirst },
    projects: [
      {
        test: {
          name: "unit",
          sequence: { groupOrder: 0 },
          include: [
            "{shared,images,agent}/src/**/*.test.ts",
            "control-plane/*/src/**/*.test.{ts,tsx}",
            "test/{tidy,bootstrap}/**/*.test.{ts,mjs}",
          ],
          exclude: [...never, nightly, integration],
          testTimeout: 10_000 * slowness,
          // Modules are loaded once for all files of a worker: half of the time went into loading them again.
          isolate: false,
        },
      },
      {
        test: {
          name: "simulation",
          sequence: { groupOrder: 1 },
          include: ["test/{simulation,scenarios}/**/*.test.ts"],
          exclude: [...never, nightly],
          testTimeout: 300_000 * slowness,
        },
      },
      {
        test: {
          name: "integration",
          sequence: { groupOrder: 2 },
          include: [
            "test/integration/**/*.test.ts",
            `{shared,images,agent,control-plane}/${integration}`,
          ],
          exclude: [...never, nightly],
          testTimeout: 120_000 * slowness,
          hookTimeout: 120_000 * slowness,
          ...twoAtATime,
        },
      },
      {
        test: {
          name: "lab",
          sequence: { groupOrder: 2 },
          include: ["test/lab/**/*.test.ts"],
          exclude: [...never, nightly],
          // Ends what hangs; each step of a story has a deadline of its own that knows how busy this computer is.
          testTimeout: 3_600_000 * slowness,
          hookTimeout: 600_000 * slowness,
          ...twoAtATime,
        },
      },
      {
        test: {
          name: "nightly",
          sequence: { groupOrder: 3 },
          include: [nightly],
          exclude: never,
          testTimeout: 7_200_000 * slowness,
          hookTimeout: 600_000 * slowness,
          ...twoAtATime,
        },
      },
    ],
  },
});
