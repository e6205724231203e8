import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "{shared,images,agent}/src/**/*.test.ts",
            "control-plane/*/src/**/*.test.{ts,tsx}",
            "test/tidy/**/*.test.ts",
          ],
        },
      },
    ],
  },
});
