import { allSettings as workerSettings } from "@gofermart/accrual-worker/config.ts"
import { allSettings as apiSettings } from "@gofermart/api/config.ts"
import { allSettings as commandSettings } from "@gofermart/operator/settings.ts"
import { Settings as SimulatorSchema } from "@gofermart/scoring-simulator/config.ts"
import { Schema as MigrateSchema } from "@gofermart/shared/migrate/settings.ts"
import type { Settings } from "@gofermart/shared/runtime/setting.ts"
import { allSettings as startSettings } from "./options.ts"

/** Every program that reads settings, with all that it reads. */
export const PROGRAMS = {
  api: apiSettings,
  worker: workerSettings,
  commands: commandSettings,
  migrate: MigrateSchema.properties,
  start: startSettings,
  simulator: SimulatorSchema.properties,
} satisfies Record<string, Settings>
