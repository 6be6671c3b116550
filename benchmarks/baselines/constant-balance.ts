import { pointsFromHundredths } from "@gofermart/shared/domain/points.ts"

const BALANCE = { current: pointsFromHundredths(62_997), withdrawn: pointsFromHundredths(10_001) }

/** In the place of the reading of balances: a constant. */
export class Balances {
  async read(): Promise<typeof BALANCE> {
    return BALANCE
  }
}
