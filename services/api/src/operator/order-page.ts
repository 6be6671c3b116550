import { describeOrder } from "@gofermart/shared/operator/describe-order.ts"
import type { Database } from "@gofermart/shared/db/client.ts"
import { parseOrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { printable } from "@gofermart/shared/domain/printable.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import type { FastifyInstance } from "fastify"

/**
 * `/orders/NUMBER` on the operators' server: what `gofermart order NUMBER` tells. While the queue is
 * away it shows what the database knows.
 */
export function orderPage(
  app: FastifyInstance,
  { queue, database }: { queue: AccrualQueue; database: Database },
): void {
  app.get<{ Params: { number: string } }>("/orders/:number", async (request, reply) => {
    const { code, lines } = await page(request.params.number)
    return reply
      .code(code)
      .type("text/plain; charset=utf-8")
      .send(`${lines.map(printable).join("\n")}\n`)
  })

  const page = async (given: string): Promise<{ code: number; lines: string[] }> => {
    const number = parseOrderNumber(given)
    if (number === undefined) {
      return { code: 404, lines: ["An order number is digits that pass the Luhn check."] }
    }
    try {
      const described = await describeOrder(database, async () => queue, number)
      if (described === undefined) return { code: 404, lines: [`There is no order ${number}.`] }
      return { code: 200, lines: described.lines }
    } catch {
      return { code: 503, lines: ["The database does not answer."] }
    }
  }
}
