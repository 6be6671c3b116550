import { describe, expect, it, onTestFinished, vi } from "vitest"
import { connectByRoute } from "./connect-by-route.ts"
import { connectionBy } from "./connection.ts"
import type { Route } from "./route.ts"
import { ServerRoleError } from "./server-role.ts"

const coded = (code: string, message = "") => Object.assign(new Error(message), { code })
const AWAY = coded("ECONNREFUSED")
const WRONG_PASSWORD = coded("28P01")
const NO_TLS = new Error("The server does not support SSL connections")

let made = 0
/** A route that nothing else in this file shares. */
const routeOf = (hosts: string, query: string): Route =>
  connectionBy(`postgresql://${hosts}/d${made++}?${query}`).route

/** Where the way leads that is tried now. */
function placeOf(route: Route): string {
  const { connectionString = "", ssl } = route.current.config()
  return `${new URL(connectionString.replace("///", "//x/")).searchParams.get("host")}${ssl ? " TLS" : ""}`
}

/** The places that are tried while each of them answers so. */
async function tried(route: Route, answers: Record<string, Error | undefined>) {
  const places: string[] = []
  const outcome = await connectByRoute(route, Infinity, async () => {
    const place = placeOf(route)
    const { current } = route
    places.push(place)
    const error = answers[place]
    if (error === undefined) return "connected"
    route.pass(current, error)
    throw error
  }).catch((error: unknown) => error)
  return { places, outcome }
}

describe("several hosts", () => {
  const SEVERAL = "target_session_attrs=read-write"

  it("are tried in their order, and the one that was good is tried first from then on", async () => {
    const route = routeOf("a,b,c", SEVERAL)
    const answers = { a: AWAY, b: new ServerRoleError(true) }
    expect(await tried(route, answers)).toEqual({ places: ["a", "b", "c"], outcome: "connected" })
    expect(await tried(route, answers)).toEqual({ places: ["c"], outcome: "connected" })
    expect(await tried(route, { c: AWAY })).toEqual({ places: ["c", "a"], outcome: "connected" })
  })

  it("are each tried once where none is good", async () => {
    const all = { a: AWAY, b: AWAY, c: AWAY }
    expect((await tried(routeOf("a,b,c", SEVERAL), all)).places).toEqual(["a", "b", "c"])
  })

  it.each([
    { more: new ServerRoleError(true), less: AWAY },
    { more: WRONG_PASSWORD, less: AWAY },
    { more: WRONG_PASSWORD, less: new ServerRoleError(true) },
  ])("what tells most is why none is good: $more, and not $less", async ({ more, less }) => {
    const route = () => routeOf("a,b", SEVERAL)
    expect((await tried(route(), { a: more, b: less })).outcome).toBe(more)
    expect((await tried(route(), { a: less, b: more })).outcome).toBe(more)
  })

  it("are passed over once, however many connections find out at the same time", () => {
    const route = routeOf("a,b,c", SEVERAL)
    const { current } = route
    for (let i = 0; i < 3; i++) route.pass(current, AWAY)
    expect(placeOf(route)).toBe("b")
  })

  it("are not tried after the time for it", async () => {
    const route = routeOf("a,b", SEVERAL)
    let tries = 0
    const connecting = connectByRoute(route, 0, async () => {
      tries++
      route.pass(route.current, AWAY)
      throw AWAY
    })
    await expect(connecting).rejects.toBe(AWAY)
    expect(tries).toBe(1)
  })
})

describe("one host", () => {
  it("is tried once, whatever happens", async () => {
    for (const error of [AWAY, WRONG_PASSWORD, NO_TLS]) {
      expect(
        (await tried(routeOf("a", "sslmode=require"), { "a TLS": error })).places,
      ).toHaveLength(1)
    }
  })

  it("is spoken to without TLS where that is only preferred, and only when TLS is what fails", async () => {
    for (const error of [NO_TLS, coded("28000"), coded("SELF_SIGNED_CERT_IN_CHAIN")]) {
      const { places } = await tried(routeOf("a", "sslmode=prefer"), { "a TLS": error })
      expect(places).toEqual(["a TLS", "a"])
    }
    for (const error of [AWAY, WRONG_PASSWORD]) {
      const { places } = await tried(routeOf("a", "sslmode=prefer"), { "a TLS": error })
      expect(places).toEqual(["a TLS"])
    }
  })

  it("that had no TLS is asked for it again after a minute", async () => {
    vi.useFakeTimers({ toFake: ["performance"] })
    onTestFinished(() => void vi.useRealTimers())
    const route = routeOf("a", "sslmode=prefer")
    expect((await tried(route, { "a TLS": NO_TLS })).places).toEqual(["a TLS", "a"])
    vi.advanceTimersByTime(59_000)
    expect((await tried(route, {})).places).toEqual(["a"])
    vi.advanceTimersByTime(1_000)
    expect((await tried(route, {})).places).toEqual(["a TLS"])
  })

  it("is spoken to with TLS where that is allowed and it asks for it", async () => {
    const { places } = await tried(routeOf("a", "sslmode=allow"), { a: coded("28000") })
    expect(places).toEqual(["a", "a TLS"])
  })
})

it("of several hosts each is tried in every way", async () => {
  const route = routeOf("a,b", "sslmode=prefer&target_session_attrs=primary")
  const { places } = await tried(route, { "a TLS": NO_TLS, a: new ServerRoleError(true) })
  expect(places).toEqual(["a TLS", "a", "b TLS"])
})

it("a server that is read only is left by all connections to it, at most once a second", () => {
  vi.useFakeTimers({ toFake: ["performance"] })
  onTestFinished(() => void vi.useRealTimers())
  const route = routeOf("a,b", "target_session_attrs=read-write")
  const leave = route.current
  const stays = { giveUp: vi.fn<() => void>() }
  const goes = { giveUp: vi.fn<() => void>() }
  leave.open.add(goes)
  route.pass(leave, AWAY)
  route.current.open.add(stays)
  for (let i = 0; i < 3; i++) route.leave(leave)
  expect(goes.giveUp).toHaveBeenCalledOnce()
  vi.advanceTimersByTime(1_000)
  route.leave(leave)
  expect(goes.giveUp).toHaveBeenCalledTimes(2)
  expect(stays.giveUp).not.toHaveBeenCalled()
})
