import { parser } from "@prometheus-io/lezer-promql"

export interface Matcher {
  label: string
  operator: string
  value: string
}

interface Selector {
  metric: string
  matchers: Matcher[]
}

export interface Expression {
  selectors: Selector[]
  /** What the result is grouped by. */
  labels: string[]
}

/** Reads what an expression asks for. Throws when it is not PromQL. */
export function readPromql(text: string): Expression {
  const selectors: Selector[] = []
  const labels: string[] = []
  parser.parse(text).iterate({
    enter({ type, node, from, to }) {
      if (type.isError) throw new Error(`not PromQL at character ${from}: ${text}`)
      const child = (name: string) => {
        const found = node.getChild(name)
        return found === null ? "" : text.slice(found.from, found.to)
      }
      if (type.name === "VectorSelector") {
        selectors.push({ metric: child("Identifier"), matchers: [] })
      } else if (type.name === "UnquotedLabelMatcher") {
        const [label, operator] = [child("LabelName"), child("MatchOp")]
        const value = child("StringLiteral").slice(1, -1)
        selectors.at(-1)?.matchers.push({ label, operator, value })
      } else if (type.name === "LabelName" && node.parent?.name === "GroupingLabels") {
        labels.push(text.slice(from, to))
      }
    },
  })
  return { selectors, labels }
}

export interface Sample {
  metric: string
  labels: Record<string, string>
}

export interface Measured extends Sample {
  value: number
}

export interface Exposition {
  /** Also of metrics without a sample so far; of a histogram, the names of its series. */
  names: Set<string>
  samples: Measured[]
}

/** Reads what a process answers at `/metrics`. */
export function readExposition(text: string): Exposition {
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)]
  const names = types.flatMap(([, name = "", type]) =>
    type === "histogram" ? ["_bucket", "_sum", "_count"].map((end) => name + end) : [name],
  )
  const samples = [...text.matchAll(/^([a-z]\w*)(?:\{(.*)\})? (\S+)$/gm)].map(
    ([, metric = "", labels = "", value]) => {
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)]
      return {
        metric,
        labels: Object.fromEntries(pairs.map(([, name, said]) => [name, said])),
        value: Number(value),
      }
    },
  )
  return { names: new Set(names), samples }
}
