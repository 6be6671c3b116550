import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import { StateFile, type StateRecord } from "./state-file.ts"

const mechanic: StateRecord = { match: "Bork", reward: 5, rewardType: "%" }
const order: StateRecord = { order: "2377225624", accrualHundredths: 729_98 }
const invalidOrder: StateRecord = { order: "12345678903" }

let folder: string
let path: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "simulator-state-"))
  path = join(folder, "state.jsonl")
})
afterEach(() => rm(folder, { recursive: true }))

function reopen(...records: StateRecord[]): StateRecord[] {
  const file = new StateFile(path)
  for (const record of records) file.append(record)
  file.close()
  return file.records
}

test("gives back every record in the order they came", () => {
  expect(reopen(mechanic, order)).toEqual([])
  expect(reopen(invalidOrder)).toEqual([mechanic, order])
  expect(reopen()).toEqual([mechanic, order, invalidOrder])
})

test("ignores a torn last line, and what is written after it is not spoiled", async () => {
  reopen(mechanic)
  for (const torn of ["{", '{"order":"23772', '{"match":"Bork","reward":5,"rewardType":"%"}']) {
    await appendFile(path, torn)
    expect(reopen()).toEqual([mechanic])
  }
  await appendFile(path, '{"ord')
  expect(reopen(order)).toEqual([mechanic])
  expect(reopen()).toEqual([mechanic, order])
})

test("refuses a file that holds anything else, and leaves it as it is", async () => {
  const records = [
    "not JSON\n",
    '{"order":7}\n',
    "\n",
    '{"match":"a","reward":-1}\n',
    '{"name":"x"}',
  ]
  for (const content of records) {
    await writeFile(path, content)
    expect(() => new StateFile(path)).toThrow(/line.* of .* is not goods or an order/)
    expect(await readFile(path, "utf8")).toBe(content)
  }
})
