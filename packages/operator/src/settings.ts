import { scoringSettings } from "@gofermart/scoring-client/settings.ts"
import { connectionSettings } from "@gofermart/shared/queue/connection-settings.ts"
import { requeueLeaseMin } from "@gofermart/shared/runtime/service-settings.ts"
import { defineSettings } from "@gofermart/shared/runtime/setting.ts"

export const Schema = defineSettings({
  ...connectionSettings,
  REQUEUE_LEASE_MIN: requeueLeaseMin,
})

/** What only polling the scoring system needs. */
export const ScoringSchema = defineSettings(scoringSettings)

/** Everything that the commands read from their environment. */
export const allSettings = { ...Schema.properties, ...ScoringSchema.properties }
