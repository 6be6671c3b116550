import { spawn } from "node:child_process"

/** Waits for a process to be gone, ends the servers whose files are in a folder, and removes it. */
const SCRIPT = `
while kill -0 "$1"; do sleep 1; done
find "$2" -name postmaster.pid -o -name "redis-*.pid" | while read -r file; do
  pid=$(head -n 1 "$file")
  # One that was killed has left its file, and another process may have its number now.
  case $(ps -o args= -p "$pid") in
    *postgres*"$2"*) kill -QUIT "$pid" ;;
    *redis*|*valkey*) kill -KILL "$pid" ;;
  esac
done
sleep 1
rm -rf "$2"`

/**
 * Leaves nothing of a run, however it ends: vitest ends at Ctrl-C without a word to what was set up,
 * and a terminal that closes or a `kill -9` lets nobody do anything. Our own services end by
 * themselves when their parent is gone.
 */
export function cleanUpAfterThisProcess(folder: string): void {
  const script = ["-c", SCRIPT, "sh", `${process.pid}`, folder]
  spawn("sh", script, { detached: true, stdio: "ignore" }).unref()
}
