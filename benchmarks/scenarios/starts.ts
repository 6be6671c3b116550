import { build, BUILT_FROM, builtPath } from "@gofermart/bundle/build.ts"
import { envOf, type Fixture } from "../fixtures/fixture.ts"
import { anonymousBytes } from "../fixtures/resident.ts"
import { alternate, ratios, type Run, type Side } from "../measure/rounds.ts"
import type { Row, Scenario } from "./scenario.ts"

const PROGRAMS = ["api", "worker"] as const
type Program = (typeof PROGRAMS)[number]
const CPU_RATIO_MAX = 0.7

/** Row 19: what a service takes to be ready, as it is deployed and from its sources. */
export const starts: Scenario = {
  name: "starts",
  about: "CPU and memory of a service until it is ready, built and from its sources",
  isLong: false,
  async measure(fixture) {
    await build()
    const { url: databaseUrl } = await fixture.database()
    const { url: scoringUrl } = await fixture.startScoring()
    const env = envOf({ databaseUrl, queueUrl: databaseUrl, scoringUrl })
    const bytes: Bytes = new Map()
    const sides = PROGRAMS.flatMap((program) => [
      startsSide(fixture, nameOf(program, "built"), builtPath(program), env, bytes),
      startsSide(fixture, nameOf(program, "sources"), BUILT_FROM[program], env, bytes),
    ])
    const runs = await alternate(sides, fixture.extent.rounds, fixture.report)
    return { rows: PROGRAMS.flatMap((program) => rowsOf(program, runs, bytes)), runs }
  },
}

function nameOf(program: Program, from: "built" | "sources"): string {
  return from === "built" ? `a built ${program}` : `a ${program} from its sources`
}

function rowsOf(program: Program, runs: Map<string, Run[]>, bytes: Bytes): Row[] {
  const [built, sources] = [nameOf(program, "built"), nameOf(program, "sources")]
  const of = (name: string) => bytes.get(name)?.slice(-(runs.get(name)?.length ?? 0)) ?? []
  return [
    {
      row: `19, CPU of ${built}`,
      what: `CPU until ${built} is ready`,
      to: sources,
      ratios: ratios(runs, built, sources, ({ cpu }) => cpu["process"] ?? Number.NaN),
      target: { atMost: CPU_RATIO_MAX },
    },
    {
      row: `19, memory of ${built}`,
      what: `anonymous memory of ${built} when it is ready`,
      to: sources,
      ratios: of(built).map((size, i) => size / (of(sources)[i] ?? Number.NaN)),
      target: undefined,
    },
  ]
}

/** Of anonymous memory, by side: one figure for each start. */
type Bytes = Map<string, number[]>

function startsSide(
  fixture: Fixture,
  name: string,
  path: string,
  env: Record<string, string>,
  bytes: Bytes,
): Side {
  let cpuSeconds = 0
  return {
    name,
    clocks: { process: () => cpuSeconds },
    async run() {
      const begun = performance.now()
      const { child, clock } = await fixture.start(path, env)
      const seconds = (performance.now() - begun) / 1_000
      cpuSeconds += clock()
      bytes.set(name, [...(bytes.get(name) ?? []), await anonymousBytes(child.pid)])
      await child.stop()
      return { operations: 1, seconds }
    },
  }
}
