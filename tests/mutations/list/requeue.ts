import { mutationsOf } from "../mutation.ts"
import { REQUEUE_RUNS } from "../test-runs.ts"

const folder = "services/accrual-worker/src/requeue"

export const requeueMutations = [
  ...mutationsOf({ file: `${folder}/requeue.ts` }, REQUEUE_RUNS, [
    [
      "it waits for an order that somebody holds",
      "FOR NO KEY UPDATE SKIP LOCKED",
      "FOR NO KEY UPDATE",
    ],
    ["it claims while the queue is away", "  await queuePauseMs(parts.queue)\n", ""],
    [
      "a settled order is claimed",
      "WHERE status IN (${POLLED}) AND ${isOverdueBetween(section)}",
      "WHERE ${isOverdueBetween(section)}",
    ],
    ["an order is claimed whose lease is not over", "sql`requeue_at <= now()`", "sql`true`"],
    ["the job of an order is not added", "    await addPollsOf(queue, pollsOf(page))\n", ""],
    [
      "nothing that was passed over is moved up",
      "    await moveUpPassedOver({ queue, logger }, old, Date.now())\n",
      "",
    ],
    ["a lease does not grow with the order's age", "* 1000 * ${LEASE_PER_AGE}", "* 0"],
    ["a lease has no shortest", "${lease.minMs}),", "0),"],
    ["a lease has no longest", "${lease.maxMs})", "1e12)"],
    [
      "all leases are one section",
      "      sections.endAt({ leaseEndUs, orderId })\n",
      "      return\n",
    ],
    [
      "earlier sections are not looked at again",
      "earlier > 0 && pages < PAGES_PER_ROUND_MAX",
      "false",
    ],
    [
      "of an earlier section one page is claimed in its turn",
      "sections.claimedEarlier(page.length, last)",
      "sections.lookedAtEarlier(section.upTo)",
    ],
    [
      "where many leases end at once the end of a section is read past",
      "sql`(requeue_at, order_id) <= ${pairOf(upTo)}`",
      "sql`requeue_at <= now() AND (requeue_at, order_id) <= ${pairOf(upTo)}`",
    ],
    [
      "the end of a section is read past",
      "sql`(requeue_at, order_id) <= ${pairOf(upTo)}`",
      "sql`requeue_at <= now()`",
    ],
    ["a section begins at the first lease", "after === undefined ? sql`true`", "true ? sql`true`"],
    [
      "a clock that was set back hides leases",
      "if (lastEnd !== undefined && nowUs < lastEnd.leaseEndUs) sections.forget()",
      "if (false) sections.forget()",
    ],
  ]),
  ...mutationsOf({ file: `${folder}/sections.ts` }, REQUEUE_RUNS, [
    ["claimed orders end no section", "this.#claimed < ORDERS_PER_SECTION", "true"],
    ["what was looked at is looked at again", "this.#lookedAt = upTo", ""],
    ["sections end in no order", "before + 1, 0, place", "this.#ends.length, 0, place"],
    [
      "of leases that end at once the ids do not count",
      "a.leaseEndUs === b.leaseEndUs ? a.orderId > b.orderId : a.leaseEndUs > b.leaseEndUs",
      "a.leaseEndUs > b.leaseEndUs",
    ],
    ["the first of the earlier sections is looked at alone", "this.#lookedAtEarlier = upTo", ""],
    [
      "there may be any number of sections",
      "while (this.#ends.length > SECTIONS_MAX) this.#ends.shift()",
      "",
    ],
  ]),
  ...mutationsOf({ file: `${folder}/move-up.ts` }, REQUEUE_RUNS, [
    ["a failed job is moved up", "job.finishedOn !== undefined || ", ""],
    [
      "a job that is being polled is moved up",
      "Math.max(dueAt(job), job.processedOn ?? 0)",
      "dueAt(job)",
    ],
    [
      "jobs are moved up while the queue is held",
      "(await queuePauseMs(queue)) > 0 || (await queue.isPaused())",
      "false",
    ],
    ["one job that is gone stops the others", "!== ErrorCode.JobNotExist", "!== 0"],
    ["a job is moved up at once", "> PASSED_OVER_AFTER_MS", "> 0"],
  ]),
]
