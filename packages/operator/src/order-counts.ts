import { type AccrualStatus, STATUS_RULES } from "@gofermart/shared/domain/accrual-status.ts"

/** How many orders stand where. Of one that only a withdrawal has named nothing is to come. */
export function describeCounts(counts: [AccrualStatus, number][]): string {
  const texts = counts.map(([status, count]) => {
    return `${count} ${STATUS_RULES[status].isListed ? status : "not uploaded"}`
  })
  return texts.join(", ") || "none"
}
