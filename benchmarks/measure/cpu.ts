import { readFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { Client } from "pg"

/** USER_HZ, the unit of the times in proc_pid_stat(5), is 100 on every Linux that Node runs on. */
const TICKS_PER_S = 100

/** CPU seconds that a part has used so far; NaN where the system does not tell. */
export type CpuClock = () => number

export function ownClock(): CpuClock {
  return () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  }
}

export function processClock(pid: () => number): CpuClock {
  return () => ticksOf(pid(), [UTIME, STIME]) / TICKS_PER_S
}

/** Of a PostgreSQL server: its main process, what has ended below it, and what runs below it. */
export async function postgresClock(url: string): Promise<CpuClock> {
  const client = new Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")
  const backend = await readFile(`/proc/${rows[0]?.pid}/stat`, "utf8").catch(() => "")
  await client.end()
  const main = Number(fieldsOf(backend)[PPID])
  return () => {
    const living = childrenOf(main).map((pid) => ticksOf(pid, [UTIME, STIME]))
    const sum = living.reduce((a, b) => a + b, ticksOf(main, [UTIME, STIME, CUTIME, CSTIME]))
    return sum / TICKS_PER_S
  }
}

// Places of the fields after the name in parentheses; see proc_pid_stat(5).
const PPID = 1
const UTIME = 11
const STIME = 12
const CUTIME = 13
const CSTIME = 14

function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")
}

/** NaN for the whole when the system has no such file, and 0 for a process that has just ended. */
function ticksOf(pid: number, places: number[]): number {
  if (process.platform !== "linux") return Number.NaN
  try {
    const fields = fieldsOf(readFileSync(`/proc/${pid}/stat`, "utf8"))
    return places.reduce((sum, place) => sum + Number(fields[place]), 0)
  } catch {
    return 0
  }
}

function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim()
    return text === "" ? [] : text.split(" ").map(Number)
  } catch {
    return []
  }
}
