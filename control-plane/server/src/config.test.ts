// Settings: flags before environment, one sentence for the first thing that is wrong.
import { expect, test } from "vitest";
import { readConfig } from "./config.ts";

test("A flag goes before its environment variable.", () => {
  const env = { DROVER_PORT: "1000", DROVER_ADDRESS: "a.example,10.0.0.1", PATH: "/bin" };
  const config = readConfig(["--data", "/srv/x", "--port", "2000"], env);
  expect(config).toMatchObject({ data: "/srv/x", port: 2000, address: ["a.example", "10.0.0.1"] });
});

test("A missing data folder is asked for.", () => {
  expect(() => readConfig([], {})).toThrow("name the data folder: --data DIR (or DROVER_DATA)");
});

test("A wrong value names its setting, an unknown flag is refused.", () => {
  expect(() => readConfig(["--data", "x", "--port", "none"], {})).toThrow(/setting port is wrong/);
  expect(() => readConfig(["--date", "x"], {})).toThrow(/--date/);
});
