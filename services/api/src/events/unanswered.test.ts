import { expect, it } from "vitest"
import { unansweredIn } from "./unanswered.ts"

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 0100007F:1F90 0200000A:0001 01 00000000:00000000 02:00000000 00000000     0        0 2 1
   2: 0100007F:1F90 0200000A:0002 01 0000000F:00000000 01:00000014 00000000     0        0 3 1
   3: 0100007F:1F90 0200000A:0003 01 0000000F:00000000 01:00000A14 0000000B     0        0 4 1
   4: 0100007F:1F90 0200000A:0004 01 00280000:00000000 04:00000A14 00000000     0        0 5 1
   5: 0100007F:1F90 0200000A:0005 01 00280000:00000000 04:00000A14 00000000     0        7 6 1
`

it("tells connections that do not answer from those that are idle, under way or slow", () => {
  const ofClient = (port: number) => `0100007F:1F90 0200000A:000${port}`
  expect(unansweredIn(TABLE)).toEqual([ofClient(3), ofClient(5)])
})
