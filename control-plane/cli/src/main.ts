#!/usr/bin/env node
// The command line: nouns of the glossary, results on standard output, `--json` everywhere, exit codes
// that CI can rely on. The composition root of the CLI.
import { ApiProblemError } from "@drover/shared/api/client";
import { describeError } from "@drover/shared/errors";
import { Command, CommanderError } from "commander";
import { addChannel } from "./commands/channel.ts";
import { addFleet } from "./commands/fleet.ts";
import { addImage } from "./commands/image.ts";
import { addPush } from "./commands/image-push.ts";
import { addNode } from "./commands/node.ts";
import { addRehearse } from "./commands/rehearse.ts";
import { addRollout } from "./commands/rollout.ts";
import { addSite } from "./commands/site.ts";
import { addWhy } from "./commands/why.ts";
import { findConnection, wireTo } from "./connection.ts";
import { type Context, contextOf, ExitError, exitCodes } from "./context.ts";

function makeProgram(): Command {
  const program = new Command("drover")
    .description("Immutable operating-system images, rolled out safely to thousands of sites.")
    .option("--data <dir>", "data folder of a control plane on this machine")
    .option("--url <url>", "address of the control plane")
    .option("--json", "print one JSON document")
    .addHelpText(
      "after",
      "\nSigning keys are made by the control plane on its first start, in the folder keys of its data folder." +
        "\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 rollout halted, 4 rollout cancelled.",
    )
    .exitOverride();
  let made: Context | undefined;
  const context = (): Context => {
    const flags = program.opts<{ data?: string; url?: string; json?: boolean }>();
    made ??= contextOf(wireTo(findConnection(flags, process.env)), {
      json: flags.json ?? false,
      line: (text) => process.stdout.write(`${text}\n`),
      notice: (text) => process.stderr.write(`${text}\n`),
    });
    return made;
  };
  const nouns = [
    addFleet,
    addSite,
    addNode,
    addImage,
    addPush,
    addChannel,
    addRollout,
    addWhy,
    addRehearse,
  ];
  for (const add of nouns) add(program, context);
  return program;
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
  if (error instanceof ExitError) {
    process.stderr.write(`drover: ${error.message}\n`);
    return error.exitCode;
  }
  const code = error instanceof ApiProblemError ? ` (${error.problem.code})` : "";
  process.stderr.write(`drover: ${describeError(error)}${code}\n`);
  return exitCodes.failed;
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // A reader such as `head` may close the pipe early; that is no failure of ours.
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

try {
  await makeProgram().parseAsync(process.argv);
} catch (error) {
  process.exitCode = exitCodeOf(error);
}
