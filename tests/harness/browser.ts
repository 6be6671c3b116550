import { findProgram } from "@gofermart/local-stack/find-program.ts"
import { type Browser, launch } from "puppeteer-core"
import { BROWSERS } from "./missing-programs.ts"

/** Finds a browser on this machine; none comes with the packages. */
export async function findBrowser(): Promise<{ path: string } | { missing: string }> {
  const path = await findProgram(BROWSERS)
  if (path !== undefined) return { path }
  return { missing: "no chromium on the PATH; apt-get install chromium" }
}

/** Opens a browser without a window. */
export function openBrowser(path: string): Promise<Browser> {
  // Its sandbox needs rights that root in a container does not have; it only sees our own pages.
  const args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
  return launch({ executablePath: path, headless: true, args })
}
