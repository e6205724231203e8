// Entry of `npm start` and `npm test` on a computer that has nothing but Node and npm. This file uses
// only syntax that old versions of Node understand, so that they get a sentence and not a stack trace.
const floor = [20, 19];
const [major, minor] = process.versions.node.split(".").map(Number);

if (major < floor[0] || (major === floor[0] && minor < floor[1])) {
  process.stderr.write(
    `Drover needs Node ${floor.join(".")} or newer to set itself up; this is ${process.versions.node}.\n`,
  );
  process.exit(1);
} else {
  void import("./commands.mjs").then(({ runCommandLine }) => runCommandLine(process.argv.slice(2)));
}
