// Live events: merged, bounded, and never held back by a slow console.
import { expect, test } from "vitest";
import { eventHub } from "./event-hub.ts";

const site = (id: string) => ({ topic: "site", id }) as const;

test("What happened twice since the last look is told once.", async () => {
  const hub = eventHub({ listenersMax: 2, pendingMax: 10 });
  const listener = hub.listen();
  hub.publish(site("a"));
  hub.publish(site("a"));
  hub.publish(site("b"));
  expect(await listener?.next(0)).toEqual([site("a"), site("b")]);
});

test("A waiting console is woken by the next event.", async () => {
  const hub = eventHub({ listenersMax: 2, pendingMax: 10 });
  const waiting = hub.listen()?.next(60_000);
  hub.publish(site("a"));
  expect(await waiting).toEqual([site("a")]);
});

test("A console that doesn't read is dropped, the others go on.", async () => {
  const hub = eventHub({ listenersMax: 2, pendingMax: 1 });
  const slow = hub.listen();
  const quick = hub.listen();
  hub.publish(site("a"));
  await quick?.next(0);
  hub.publish(site("b"));
  expect(slow?.closed.aborted).toBe(true);
  expect(quick?.closed.aborted).toBe(false);
  expect(hub.listeners()).toBe(1);
});

test("No more consoles than the limit may listen.", () => {
  const hub = eventHub({ listenersMax: 1, pendingMax: 1 });
  expect(hub.listen()).toBeDefined();
  expect(hub.listen()).toBeUndefined();
});
