import { readFileSync } from "node:fs"

const CHECK_INTERVAL_MS = 250

/**
 * Calls `gone` once when the package manager that started this process is no more: a signal sent to
 * it alone takes it away and leaves us. Under npx that is our parent's parent, which only Linux
 * shows.
 */
export function onLauncherGone(gone: () => void): void {
  const underNpx = process.env["npm_execpath"]?.includes("/_npx/") === true
  const ancestors = () => [process.ppid, underNpx ? parentOf(process.ppid) : undefined].join()
  const atStart = ancestors()
  const timer = setInterval(() => {
    if (ancestors() === atStart) return
    clearInterval(timer)
    gone()
  }, CHECK_INTERVAL_MS)
  timer.unref()
}

/** See proc_pid_stat(5): the fourth field, after a name in parentheses that may hold anything. */
function parentOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    return stat.slice(stat.lastIndexOf(")")).split(" ")[2]
  } catch {
    return undefined
  }
}
