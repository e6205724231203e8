// The TFTP machine against a client that loses, repeats and reorders packets.
import { seededRandom } from "@drover/shared/random";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  defaultTftpLimits,
  onTftpPacket,
  onTftpTimer,
  startTransfer,
  type TftpSend,
  type TftpStep,
} from "./tftp-transfer.ts";

const limits = defaultTftpLimits;
const ack = (block: number) => ({ kind: "ack", block }) as const;
const blocksOf = (step: TftpStep) =>
  step.sends.map((send) => (send.kind === "data" ? send.block : send.message.kind));

describe("TFTP transfer", () => {
  test("only options the client asked for are answered, clamped to our limits", () => {
    const step = startTransfer(
      [
        ["blksize", "65464"],
        ["windowsize", "200"],
        ["foo", "1"],
      ],
      10,
      limits,
      0,
    );
    const oack = {
      kind: "oack",
      options: [
        ["blksize", "1468"],
        ["windowsize", "16"],
      ],
    };
    expect(step.sends).toEqual([{ kind: "packet", message: oack }]);
    const sized = startTransfer([["tsize", "0"]], 4711, limits, 0);
    expect(sized.sends).toEqual([
      { kind: "packet", message: { kind: "oack", options: [["tsize", "4711"]] } },
    ]);
  });

  test("without options the first block of 512 bytes is sent at once", () => {
    const step = startTransfer([], 600, limits, 0);
    expect(step.sends).toEqual([{ kind: "data", block: 1, offset: 0, lengthBytes: 512 }]);
  });

  test("a file that is a multiple of the block size ends with an empty block", () => {
    const first = startTransfer([], 512, limits, 0);
    const second = onTftpPacket(first.state, ack(1), 1);
    expect(second.sends).toEqual([{ kind: "data", block: 2, offset: 512, lengthBytes: 0 }]);
    expect(onTftpPacket(second.state, ack(2), 2).state).toMatchObject({
      phase: "done",
      outcome: "complete",
    });
  });

  test("a duplicate ACK sends nothing; the timer does", () => {
    const first = startTransfer([], 5000, limits, 0);
    const second = onTftpPacket(first.state, ack(1), 1);
    expect(blocksOf(second)).toEqual([2]);
    expect(onTftpPacket(second.state, ack(1), 2).sends).toEqual([]);
    expect(onTftpTimer(second.state, 500).sends).toEqual([]);
    expect(blocksOf(onTftpTimer(second.state, 2000))).toEqual([2]);
  });

  test("an ACK inside the window restarts right after it", () => {
    const opened = startTransfer([["windowsize", "4"]], 5000, limits, 0);
    const window = onTftpPacket(opened.state, ack(0), 1);
    expect(blocksOf(window)).toEqual([1, 2, 3, 4]);
    expect(blocksOf(onTftpPacket(window.state, ack(2), 2))).toEqual([3, 4, 5, 6]);
  });

  test("an ACK for a block never sent is ignored", () => {
    const first = startTransfer([], 5000, limits, 0);
    expect(onTftpPacket(first.state, ack(2), 1).sends).toEqual([]);
  });

  test("ERROR 8 after the options is how firmware asks for the size, and ends the transfer", () => {
    const first = startTransfer([["tsize", "0"]], 5000, limits, 0);
    const ended = onTftpPacket(first.state, { kind: "error", errorCode: 8, message: "" }, 1);
    expect(ended.state).toMatchObject({ phase: "done", outcome: "aborted-by-client" });
    expect(ended.because[0]).toMatch(/only asked for the options/);
  });

  test("a client that went away is given up after the last retry", () => {
    let step = startTransfer([], 5000, limits, 0);
    let sends = 1;
    for (let now = 1000; step.state.phase !== "done"; now += 1000) {
      step = onTftpTimer(step.state, now);
      sends += step.sends.length;
    }
    expect(step.state).toMatchObject({ outcome: "timed-out" });
    expect(sends).toBe(limits.retriesMax + 1);
  });

  test("the block number wraps from 65535 to 0 and the file stays whole", () => {
    const fileBytes = 8 * 70_000 + 3;
    expect(
      receive(
        fileBytes,
        [
          ["blksize", "8"],
          ["windowsize", "16"],
        ],
        1,
        0,
      ),
    ).toBe(fileBytes);
  });

  test("every byte arrives once and in order whatever the network loses", () => {
    const loss = fc.constantFrom(0, 0.1, 0.3);
    fc.assert(
      fc.property(
        fc.nat(60_000),
        fc.nat(9),
        fc.nat(1000),
        loss,
        (fileBytes, window, seed, lossRate) => {
          const options: [string, string][] =
            window === 0
              ? []
              : [
                  ["windowsize", String(window)],
                  ["blksize", "1024"],
                ];
          const got = receive(fileBytes, options, seed, lossRate);
          expect(got === fileBytes || got === "timed-out").toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });
});

/** A receiver over a lossy wire: bytes got in order, or "timed-out" when the sender gave up. */
function receive(fileBytes: number, options: [string, string][], seed: number, lossRate: number) {
  const random = seededRandom(seed);
  const client = { got: 0, blocks: 0, isWhole: false };
  let now = 0;
  let step = startTransfer(options, fileBytes, limits, now);
  while (step.state.phase !== "done") {
    const arrived = step.sends.filter(() => !random.chance(lossRate));
    const answer = takeIn(client, arrived, step.state.blockBytes);
    now += 1000;
    step =
      answer === undefined || random.chance(lossRate)
        ? onTftpTimer(step.state, now)
        : onTftpPacket(step.state, ack(answer % 65_536), now);
  }
  return step.state.outcome === "complete" || client.isWhole ? client.got : "timed-out";
}

/** The block to acknowledge, or undefined when nothing new arrived. */
function takeIn(
  client: { got: number; blocks: number; isWhole: boolean },
  arrived: readonly TftpSend[],
  blockBytes: number,
): number | undefined {
  let answer: number | undefined;
  for (const send of arrived) {
    if (send.kind === "packet") return 0;
    if (client.isWhole) answer = client.blocks;
    if (send.block !== (client.blocks + 1) % 65_536 || client.isWhole) continue;
    expect(send.offset).toBe(client.got);
    client.got += send.lengthBytes;
    client.blocks += 1;
    client.isWhole = send.lengthBytes < blockBytes;
    answer = client.blocks;
  }
  return answer;
}
