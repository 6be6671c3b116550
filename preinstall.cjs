// Run by pnpm before it installs anything, by whatever Node.js is there. The shell scripts that pnpm
// puts into node_modules/.bin have this folder's path in them, between double quotes, and find each
// other by PATH. It is CommonJS: Node.js loads no module from a path with a backslash.
const MEANINGFUL = [":", "$", '"', "`", "\\"]

const found = MEANINGFUL.filter((character) => process.cwd().includes(character))
if (found.length > 0) {
  process.stderr.write(
    `Gofermart cannot be installed in this folder: its path has ${found.join(" ")} in it, which means ` +
      "something to the programs that an installation runs. Move the folder, or clone into another.\n",
  )
  process.exit(1)
}
