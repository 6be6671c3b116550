import { join } from "node:path"
import { expect, it } from "vitest"
import { mutations } from "../mutations/list/index.ts"
import { mutate } from "../mutations/mutation.ts"

const repository = join(import.meta.dirname, "../..")

it("every mutation finds what it replaces, once, in the code as it is", async () => {
  const tried = await Promise.allSettled(mutations.map((mutation) => mutate(repository, mutation)))
  const failed = tried.filter((result) => result.status === "rejected")
  expect(failed.map(({ reason }) => String(reason))).toEqual([])
})
