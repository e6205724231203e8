// Bundles the agent into one file, dist/agent.mjs, that needs nothing but Node. Used for the site agent,
// for installed nodes and for the installer alike.
import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const outfile = fileURLToPath(new URL("./dist/agent.mjs", import.meta.url));
const bytesMax = 3 * 1024 * 1024;

await build({
  entryPoints: [fileURLToPath(new URL("./src/main.ts", import.meta.url))],
  outfile,
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

const { size } = await stat(outfile);
process.stdout.write(`dist/agent.mjs has ${size} bytes\n`);
if (size > bytesMax) {
  process.stderr.write(`dist/agent.mjs has ${size} bytes, at most ${bytesMax} are allowed\n`);
  process.exitCode = 1;
}
