import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { type Browser, launch } from "puppeteer-core"

const run = promisify(execFile)

const PROGRAMS = ["chromium", "chromium-browser", "google-chrome"]

/** Finds a browser on this machine; none comes with the packages. */
export async function findBrowser(): Promise<{ path: string } | { missing: string }> {
  for (const program of PROGRAMS) {
    const found = await run("sh", ["-c", `command -v ${program}`]).catch(() => undefined)
    if (found !== undefined) return { path: found.stdout.trim() }
  }
  return { missing: "no chromium on the PATH; apt-get install chromium" }
}

/** Opens a browser without a window. */
export function openBrowser(path: string): Promise<Browser> {
  // Its sandbox needs rights that root in a container does not have; it only sees our own pages.
  const args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
  return launch({ executablePath: path, headless: true, args })
}
