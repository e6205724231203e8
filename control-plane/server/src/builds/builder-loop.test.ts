// The builder: one build at a time, every end recorded with its reason, cancelled when a person says so.
import { BuildId, ImageId } from "@drover/shared/ids";
import { silentLog } from "@drover/shared/log";
import { expect, test } from "vitest";
import { type BuilderPorts, type BuildQueue, buildNext, type ImageMaker } from "./builder-loop.ts";

const id = BuildId.parse("b-aaaa");
const imageId = ImageId.parse("a".repeat(64));
const never = new AbortController().signal;

function fakes(
  make: ImageMaker["make"],
  answer: "go-on" | "cancel" | "lost" = "go-on",
  attempt = 1,
) {
  const lines: string[] = [];
  const ends: Parameters<BuildQueue["end"]>[0]["end"][] = [];
  const ports: BuilderPorts = {
    queue: {
      take: async () => ({ id, recipe: "lite", attempt }),
      renew: async () => answer,
      appendLog: async (entry) => void lines.push(...entry.lines),
      end: async ({ end }) => void ends.push(end),
    },
    maker: { make },
    holder: "h",
    now: () => 1000,
    log: silentLog,
    changed: () => undefined,
    renewMs: 5,
  };
  return { ports, lines, ends };
}

const untilAborted: ImageMaker["make"] = ({ signal }) =>
  new Promise((_settle, reject) => {
    signal.addEventListener("abort", () => reject(new Error("stopped")), { once: true });
  });

test("A build that succeeds is recorded with its image and its lines in order.", async () => {
  const { ports, lines, ends } = fakes(async ({ onLine }) => {
    onLine("one");
    onLine("two");
    return imageId;
  });
  expect(await buildNext(ports, never)).toEqual({ again: true });
  expect(lines).toEqual(["one", "two"]);
  expect(ends).toMatchObject([{ state: "succeeded", imageId }]);
});

test("A build that fails keeps the reason.", async () => {
  const { ports, ends } = fakes(() => Promise.reject(new Error("no such package")));
  await buildNext(ports, never);
  expect(ends).toEqual([{ state: "failed", because: ["no such package"] }]);
});

test("A person's cancel stops the work and is recorded as such.", async () => {
  const { ports, ends } = fakes(untilAborted, "cancel");
  await buildNext(ports, never);
  expect(ends).toMatchObject([{ state: "cancelled" }]);
});

test("A build whose hold was lost ends elsewhere.", async () => {
  const { ports, ends } = fakes(untilAborted, "lost");
  await buildNext(ports, never);
  expect(ends).toEqual([]);
});

test("A build whose builders keep dying is given up.", async () => {
  const { ports, ends } = fakes(untilAborted, "go-on", 4);
  await buildNext(ports, never);
  expect(ends).toEqual([{ state: "failed", because: ["its builder died 3 times"] }]);
});
