import { describe, expect, it } from "vitest"
import { authentication, documents, scaled, trigger } from "../deploy/scaled-object.ts"

describe("deploy/keda.yaml", () => {
  it("is YAML of two documents, the second with the connection for the first", () => {
    expect(documents.flatMap(({ errors }) => errors)).toEqual([])
    expect([scaled.kind, authentication.kind]).toEqual(["ScaledObject", "TriggerAuthentication"])
    expect(trigger?.authenticationRef.name).toBe(authentication.metadata.name)
    expect(authentication.spec.secretTargetRef.map(({ parameter }) => parameter)).toEqual([
      "connection",
    ])
  })

  it("keeps a worker, for the ledger's check and the queue's lost jobs", () => {
    expect(scaled.spec.minReplicaCount).toBe(1)
  })
})
