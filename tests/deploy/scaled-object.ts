import { readFileSync } from "node:fs"
import { parseAllDocuments } from "yaml"
import { repository } from "./compose.ts"

interface ScaledObject {
  kind: string
  spec: {
    minReplicaCount: number
    triggers: {
      type: string
      metadata: { query: string; targetQueryValue: string }
      authenticationRef: { name: string }
    }[]
  }
}
interface TriggerAuthentication {
  kind: string
  metadata: { name: string }
  spec: { secretTargetRef: { parameter: string }[] }
}

const text = readFileSync(`${repository}deploy/keda.yaml`, "utf8")
export const documents = [...parseAllDocuments(text)]
export const [scaled, authentication] = documents.map((document) => document.toJS() as unknown) as [
  ScaledObject,
  TriggerAuthentication,
]
export const [trigger] = scaled.spec.triggers
