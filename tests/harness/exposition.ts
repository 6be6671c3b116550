/** The samples of a scrape, by name and labels as they are written: `name{a="b"}`. */
export type Samples = Map<string, number>

interface Family {
  type: string
  samples: { series: string; name: string; labels: string; value: number }[]
}

const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)$/
const TYPES = ["counter", "gauge", "histogram", "summary"]

/** Reads `/metrics`, and throws when Prometheus could not, or its linter would complain. */
export async function scrape(operatorsUrl: string, headers = {}): Promise<Samples> {
  const response = await fetch(`${operatorsUrl}/metrics`, { headers })
  if (response.status !== 200) throw new Error(`/metrics answered ${response.status}`)
  const type = response.headers.get("content-type") ?? ""
  if (!type.startsWith("text/plain; version=0.0.4")) throw new Error(`/metrics is ${type}`)
  return readExposition(await response.text())
}

/**
 * Reads the text format (https://prometheus.io/docs/instrumenting/exposition_formats/) as strictly
 * as `promtool check metrics` does. Throws with everything that is wrong.
 */
export function readExposition(text: string): Samples {
  const problems: string[] = []
  const families = readFamilies(text, problems)
  const samples: Samples = new Map()
  for (const [name, family] of families) {
    checkName(name, family, problems)
    if (family.type === "histogram") checkHistogram(name, family, problems)
    for (const { series, value } of family.samples) {
      if (samples.has(series)) problems.push(`${series} is there twice`)
      samples.set(series, value)
    }
  }
  if (!text.endsWith("\n")) problems.push("the last line does not end")
  if (problems.length > 0) throw new Error(problems.join("\n"))
  return samples
}

function readFamilies(text: string, problems: string[]): Map<string, Family> {
  const families = new Map<string, Family>()
  let helped = ""
  let current: [name: string, family: Family] | undefined
  for (const line of text.split("\n").filter((written) => written !== "")) {
    const [, keyword, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? []
    if (keyword === "HELP") {
      helped = name
    } else if (keyword === "TYPE") {
      if (helped !== name) problems.push(`${name} has no help`)
      if (!TYPES.includes(rest)) problems.push(`${name} is a ${rest}`)
      if (families.has(name)) problems.push(`${name} is declared twice`)
      current = [name, { type: rest, samples: [] }]
      families.set(...current)
    } else {
      const sample = readSample(line)
      if (sample === undefined) problems.push(`not a sample: ${line}`)
      else if (current === undefined || !belongs(sample.name, current)) {
        problems.push(`${sample.name} is not of the metric above it`)
      } else current[1].samples.push(sample)
    }
  }
  return families
}

function readSample(line: string): Family["samples"][number] | undefined {
  const [, name, labels = "", text = ""] = SAMPLE.exec(line) ?? []
  const value = text === "+Inf" ? Infinity : text === "" ? NaN : Number(text)
  if (name === undefined || (Number.isNaN(value) && text !== "Nan" && text !== "NaN")) {
    return undefined
  }
  return { series: `${name}${labels}`, name, labels, value }
}

function belongs(sample: string, [name, { type }]: [string, Family]): boolean {
  if (sample === name) return type !== "histogram"
  const suffix = sample.slice(name.length)
  const suffixes = type === "histogram" ? ["_bucket", "_sum", "_count"] : ["_sum", "_count"]
  return sample.startsWith(name) && suffixes.includes(suffix) && /histogram|summary/.test(type)
}

/** https://prometheus.io/docs/practices/naming/; what the client library names itself is its own. */
function checkName(name: string, { type }: Family, problems: string[]): void {
  if (!name.startsWith("gofermart_")) return
  if ((type === "counter") !== name.endsWith("_total")) {
    problems.push(`${name} is a ${type}: counters, and only they, end in _total`)
  }
  if (/_(ms|milliseconds|minutes|count|sum|bucket|counter|gauge|histogram)(_|$)/.test(name)) {
    problems.push(`${name} has a type, or a unit that is not a base unit, in its name`)
  }
}

function checkHistogram(name: string, { samples }: Family, problems: string[]): void {
  const bySeries = new Map<string, number[]>()
  for (const sample of samples.filter((one) => one.name === `${name}_bucket`)) {
    const others = sample.labels.replace(/le="[^"]*",?/, "").replace(",}", "}")
    bySeries.set(others, [...(bySeries.get(others) ?? []), sample.value])
  }
  for (const [labels, buckets] of bySeries) {
    const count = samples.find((one) => {
      return one.name === `${name}_count` && (one.labels || "{}") === labels
    })
    const isCumulative = buckets.every((value, i) => value >= (buckets[i - 1] ?? 0))
    if (!isCumulative || buckets.at(-1) !== count?.value) {
      problems.push(`${name}${labels}: its buckets do not add up to its count`)
    }
  }
}
