import type { Mutation } from "../mutation.ts"
import { domainMutations } from "./domain.ts"
import { fairShareMutations } from "./fair-share.ts"
import { ledgerMutations } from "./ledger.ts"
import { recordOrdersMutations } from "./record-orders.ts"
import { requeueMutations } from "./requeue.ts"
import { settleAccrualsMutations } from "./settle-accruals.ts"
import { settlementMutations } from "./settlement.ts"
import { withdrawMutations } from "./withdraw.ts"

export const mutations: Mutation[] = [
  ...recordOrdersMutations,
  ...settleAccrualsMutations,
  ...withdrawMutations,
  ...ledgerMutations,
  ...requeueMutations,
  ...fairShareMutations,
  ...settlementMutations,
  ...domainMutations,
]
