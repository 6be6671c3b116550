import { expect, it } from "vitest"
import { FleetPace } from "../../services/accrual-worker/src/pacing/fleet-pace.ts"
import {
  goDown,
  recoverBy,
  stayDown,
} from "../../services/accrual-worker/src/pacing/outage-changes.ts"
import { createDatabase } from "../harness/database.ts"

const ROUNDS = 20

it("an outage that is told while the end of the one before is being written is not lost", async () => {
  const database = await createDatabase()
  const teller = new FleetPace(database.client)
  const recoverer = new FleetPace(database.client)
  for (let round = 0; round < ROUNDS; round++) {
    await teller.change(stayDown)
    await teller.writePause(1)
    await recoverer.change((pace) => pace)
    // Both read the same row; the pause is in it before the outage is told.
    const told = teller.writePause(60_000).then(() => teller.change(stayDown, { isNews: true }))
    await Promise.all([recoverer.change(recoverBy(() => 0)), told])
    await recoverer.change((pace) => pace)
    expect(recoverer.pace?.downSince).not.toBeNull()
    await database.client.$executeRaw`UPDATE scoring_pause SET paused_until = clock_timestamp()`
  }
})

it("an outage that is found while the row is being read is not forgotten", async () => {
  const database = await createDatabase()
  const pace = new FleetPace(database.client)
  await pace.change((known) => known)
  const reading = pace.change((known) => known)
  pace.assume(goDown)
  await reading
  expect(pace.isDown).toBe(true)
  await pace.change(goDown)
  await pace.change(recoverBy(() => 0))
  expect(pace.isDown).toBe(false)
})

it("an outage that could not be written ends with what is read", async () => {
  const database = await createDatabase()
  const pace = new FleetPace(database.client)
  await pace.change((known) => known)
  const forget = pace.assume(goDown)
  await database.client.$executeRaw`ALTER TABLE scoring_pace RENAME TO away`
  await expect(pace.change(goDown)).rejects.toThrow("scoring_pace")
  forget()
  await database.client.$executeRaw`ALTER TABLE away RENAME TO scoring_pace`
  await pace.change((known) => known)
  expect(pace.isDown).toBe(false)
})

it("an answer ends an outage where nobody has ever paused", async () => {
  const database = await createDatabase()
  const pace = new FleetPace(database.client)
  await pace.change(goDown)
  await pace.change(recoverBy(() => 0))
  expect(pace.pace?.downSince).toBeNull()
})

it("what one worker writes another one reads, field by field", async () => {
  const database = await createDatabase()
  const [writer, reader] = [new FleetPace(database.client), new FleetPace(database.client)]
  const limit = {
    perMinute: 0.5,
    isConfirmed: true,
    isClimbing: true,
    windowBeganAt: 1_800_000_000_123,
    calls: 3,
    windowsHeld: 4,
    failedProbes: 5,
  }
  const written = {
    limit,
    answerMs: 6.5,
    downSince: 1_800_000_000_007,
    recoveredAt: 1_700_000_000_008,
  }
  await database.client.$executeRaw`
    INSERT INTO scoring_pause (paused_until) VALUES (clock_timestamp() + interval '1 minute')`
  for (const pace of [written, { ...written, downSince: null, recoveredAt: null }]) {
    await writer.change(() => pace)
    await reader.change((read) => read)
    expect(reader.pace).toEqual(pace)
  }
  const unlimited = { ...written, limit: { ...limit, perMinute: null, isConfirmed: false } }
  await writer.change(() => unlimited)
  await reader.change((read) => read)
  expect(reader.pace).toEqual(unlimited)
})
