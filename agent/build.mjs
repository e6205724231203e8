// Bundles the agent into one file, dist/agent.mjs, that needs nothing but Node. Used for the site agent,
// for installed nodes and for the installer alike.
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const outfile = fileURLToPath(new URL("./dist/agent.mjs", import.meta.url));
const bytesMax = 3 * 1024 * 1024;

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL("./src/main.ts", import.meta.url))],
  outfile,
  write: false,
  // Paths of CommonJS modules end up in the bundle; they must not depend on where the build was started.
  absWorkingDir: fileURLToPath(new URL("..", import.meta.url)),
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node24",
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "none",
  // Some dependencies are CommonJS and ask for built-in modules by require().
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
});

const { contents } = outputFiles[0];
// Several builds may want the bundle at the same moment: each sees a whole one.
const before = await readFile(outfile).catch(() => undefined);
if (before === undefined || !before.equals(contents)) {
  const made = `${outfile}.${process.pid}`;
  await mkdir(dirname(outfile), { recursive: true });
  await writeFile(made, contents);
  await rename(made, outfile);
}
const size = contents.length;
process.stdout.write(`dist/agent.mjs has ${size} bytes\n`);
if (size > bytesMax) {
  process.stderr.write(`dist/agent.mjs has ${size} bytes, at most ${bytesMax} are allowed\n`);
  process.exitCode = 1;
}
