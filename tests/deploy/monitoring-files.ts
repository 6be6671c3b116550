import { readFileSync } from "node:fs"
import { join } from "node:path"
import { parse } from "yaml"
import { readCompose, REQUIRED, repository } from "./compose.ts"

interface Rule {
  alert: string
  expr: string
  for?: string
  labels: Record<string, string>
  annotations: Record<string, string>
}
interface Panel {
  id: number
  title: string
  datasource?: { uid: string }
  targets?: { expr: string; legendFormat: string }[]
}
interface ScrapeConfig {
  job_name: string
  basic_auth: { username: string; password_file: string }
  dns_sd_configs: { names: string[]; type: string; port: number }[]
}

export const read = (path: string) => readFileSync(join(repository, "deploy", path), "utf8")
export const rules = (
  parse(read("prometheus/alerts.yml")) as { groups: { rules: Rule[] }[] }
).groups.flatMap((group) => group.rules)
export const prometheus = parse(read("prometheus/prometheus.yml")) as {
  rule_files: string[]
  scrape_configs: ScrapeConfig[]
}
export const dashboard = JSON.parse(read("grafana/dashboards/gofermart.json")) as {
  panels: Panel[]
}
export const jobs = prometheus.scrape_configs.map((config) => config.job_name)
export const { services } = readCompose(REQUIRED)

/** Every expression, under the name of what shows it. */
export const expressions = [
  ...rules.map(({ alert, expr, annotations }) => {
    const shown = Object.values(annotations).join(" ")
    return { name: alert, expr, shown: [...shown.matchAll(/\$labels\.(\w+)/g)] }
  }),
  ...dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => {
      return { name: title, expr, shown: [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)] }
    }),
  ),
].map(({ name, expr, shown }) => ({ name, expr, shown: shown.map(([, label = ""]) => label) }))
