// What the package offers, here and once it is installed elsewhere.
export {
  createGofermartClient,
  type GofermartClient,
  RefusedError,
  type Schemas,
} from "./client.ts"
export { type AccountEvent, followEvents } from "./follow-events.ts"
