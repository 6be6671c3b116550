import type { OrderRow } from "@gofermart/api/orders/order-view.ts"
import { showRow } from "@gofermart/api/orders/order-view.ts"

const ORDERS = 20
const FIRST_UPLOAD_US = 1_790_000_000_000_000
const ROWS: OrderRow[] = Array.from({ length: ORDERS }, (_, i) => ({
  number: `${179_927_398_713 + i}`,
  status: "PROCESSED",
  hundredths: 72_998,
  uploadedAtUs: FIRST_UPLOAD_US + i,
}))

/** In the place of the reading of lists: a constant of as many orders. */
export class OrderLists {
  of() {
    return { read: async () => ROWS, show: showRow }
  }
}
