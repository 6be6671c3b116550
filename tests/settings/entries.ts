import { readOptions, Schema as StartSettings } from "@gofermart/local-stack/options.ts"
import { readConfig, Settings as SimulatorSettings } from "@gofermart/scoring-simulator/config.ts"
import {
  readMigrationSettings,
  Schema as MigrateSettings,
} from "@gofermart/shared/migrate/settings.ts"
import type { Settings } from "@gofermart/shared/runtime/setting.ts"
import { Backends } from "../../packages/operator/src/command-line/backends.ts"
import { Schema as OperatorSettings, ScoringSchema } from "../../packages/operator/src/settings.ts"
import {
  readConfig as readWorkerConfig,
  Schema as WorkerSettings,
} from "../../services/accrual-worker/src/config.ts"
import {
  readConfig as readApiConfig,
  Schema as ApiSettings,
} from "../../services/api/src/config.ts"
import { TEST_KEY } from "../harness/settings.ts"

interface Entry {
  /** Its schema's settings. */
  settings: Settings
  /** What the entry calls first. */
  read: (env: NodeJS.ProcessEnv) => unknown
}

/** With these, and nothing else, every entry is content. */
export const USABLE = {
  DATABASE_URL: "postgresql://user:a-password@db.test:5432/points",
  AUTH_KEYS: `k1:${TEST_KEY}`,
  SCORING_URL: "http://scoring.test:8080",
}

/** The same, with a database that takes its password from another setting. */
export const WITHOUT_PASSWORD = { ...USABLE, DATABASE_URL: "postgresql://user@db.test:5432/points" }

/** Every secret that an entry reads, usable beside those. */
export const USABLE_SECRETS: Record<string, string> = {
  ...WITHOUT_PASSWORD,
  DATABASE_PASSWORD: "a-password",
  MIGRATION_DATABASE_URL: "postgresql://owner:a-password@db.test:5432/points",
  QUEUE_URL: "redis://user:a-password@queue.test",
  OPERATORS_PASSWORD: "twelve-characters",
}

/** Whatever reads settings, by the name of what is started. */
export const ENTRIES: Record<string, Entry> = {
  api: { settings: ApiSettings.properties, read: readApiConfig },
  worker: { settings: WorkerSettings.properties, read: readWorkerConfig },
  simulator: { settings: SimulatorSettings.properties, read: (env) => readConfig([], env) },
  start: { settings: StartSettings.properties, read: (env) => readOptions([], env) },
  migrate: {
    settings: MigrateSettings.properties,
    read: readMigrationSettings,
  },
  gofermart: { settings: OperatorSettings.properties, read: (env) => new Backends(env, false) },
  recheck: {
    settings: { ...OperatorSettings.properties, ...ScoringSchema.properties },
    read: (env) => new Backends(env, true),
  },
}
