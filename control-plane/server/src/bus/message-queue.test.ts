// The queue between bus and loop: bounded, in order, and never waiting longer than asked.
import { expect, test, vi } from "vitest";
import { messageQueue } from "./message-queue.ts";

const { signal } = new AbortController();

test("Items come out in order and at most as many as asked for.", async () => {
  const queue = messageQueue<number>(10);
  for (const item of [1, 2, 3]) queue.offer(item);
  expect(await queue.take({ max: 2, waitMs: 0, lingerMs: 0, signal })).toEqual([1, 2]);
  expect(await queue.take({ max: 2, waitMs: 0, lingerMs: 0, signal })).toEqual([3]);
});

test("A full queue refuses.", () => {
  const queue = messageQueue<number>(1);
  expect(queue.offer(1)).toBe(true);
  expect(queue.offer(2)).toBe(false);
});

test("The first item starts the linger, a full batch ends it.", async () => {
  vi.useFakeTimers();
  try {
    const queue = messageQueue<number>(10);
    const taken = queue.take({ max: 2, waitMs: 1000, lingerMs: 1000, signal });
    queue.offer(1);
    await vi.advanceTimersByTimeAsync(10);
    queue.offer(2);
    expect(await taken).toEqual([1, 2]);
  } finally {
    vi.useRealTimers();
  }
});

test("An abort ends the wait with what is there.", async () => {
  const stop = new AbortController();
  const queue = messageQueue<number>(10);
  const taken = queue.take({ max: 2, waitMs: 60_000, lingerMs: 0, signal: stop.signal });
  stop.abort();
  expect(await taken).toEqual([]);
});
