// The test projects. Everything but `*.nightly.test.ts` runs on every change; projects that start
// services or virtual machines run their files one after another.
import { defineConfig } from "vitest/config";

const nightly = "**/*.nightly.test.{ts,tsx}";
const integration = "**/*.integration.test.ts";
const never = ["**/node_modules/**", "**/dist/**"];

/** A slow computer makes tests slower, never red. */
const slowness = Number(process.env["DROVER_SLOWNESS"] ?? "1");

const sequential = { fileParallelism: false, maxWorkers: 1 } as const;

export default defineConfig({
  test: {
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
          ...sequential,
        },
      },
      {
        test: {
          name: "lab",
          sequence: { groupOrder: 3 },
          include: ["test/lab/**/*.test.ts"],
          exclude: [...never, nightly],
          testTimeout: 1_200_000 * slowness,
          hookTimeout: 600_000 * slowness,
          ...sequential,
        },
      },
      {
        test: {
          name: "nightly",
          sequence: { groupOrder: 4 },
          include: [nightly],
          exclude: never,
          testTimeout: 7_200_000 * slowness,
          hookTimeout: 600_000 * slowness,
          ...sequential,
        },
      },
    ],
  },
});
