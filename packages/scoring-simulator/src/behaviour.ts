import { wholeNumber } from "@gofermart/shared/runtime/env.ts"
import { Type, type Static } from "typebox"
import { Value } from "typebox/value"

const DELAY_MS_MAX = 600_000
const PENDING_ANSWERS_MAX = 1_000_000
const REQUESTS_PER_MINUTE_MAX = 100_000_000
const WINDOW_MS_MAX = 3_600_000
const WINDOW_MS_DEFAULT = 60_000

const onOrOff = Type.Boolean({ default: false, description: "true or false" })

/** How the simulator answers `GET /api/orders/{number}`; every switch can be set while it runs. */
export const Behaviour = Type.Object(
  {
    /** How long every answer is held back. */
    delayMs: wholeNumber(0, DELAY_MS_MAX, 0),
    /** How many answers of an order are not final; a verdict once told stays. */
    pendingAnswers: wholeNumber(0, PENDING_ANSWERS_MAX, 0),
    /** Answers in one window before the rest is refused with 429; 0 sets no limit. */
    requestsPerMinute: wholeNumber(0, REQUESTS_PER_MINUTE_MAX, 0),
    /** How long a "minute" of the limit is; it begins with the first request in it. */
    windowMs: wholeNumber(1, WINDOW_MS_MAX, WINDOW_MS_DEFAULT),
    /** Which fraction of the answers is a 500, by chance. */
    errorRate: Type.Number({
      minimum: 0,
      maximum: 1,
      default: 0,
      description: "a number from 0 to 1",
    }),
    /** Whether an order nobody registered becomes known when it is first polled. */
    autoRegister: onOrOff,
    /** Whether every answer is a 500. */
    unavailable: onOrOff,
  },
  { additionalProperties: false },
)
export type Behaviour = Static<typeof Behaviour>

/** Some of the switches. No `Type.Partial`: it would forget that others are refused. */
export const BehaviourUpdate = Type.Object(Type.Partial(Behaviour).properties, {
  additionalProperties: false,
})
export type BehaviourUpdate = Static<typeof BehaviourUpdate>

/** A well-behaved scoring system: every switch at its default. */
export function defaultBehaviour(): Behaviour {
  return Value.Create(Behaviour)
}
