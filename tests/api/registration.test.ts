import { beforeAll, describe, expect, it } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { Passwords } from "../../services/api/src/auth/passwords.ts"
import { newLogin } from "../harness/numbers.ts"
import { expectProblem } from "../harness/problem.ts"
import { joinSharedSystem, type SharedSystem } from "../harness/shared-system.ts"

describe("registration and login", () => {
  let system: SharedSystem
  beforeAll(async () => {
    system = await joinSharedSystem()
  })

  const post = (
    path: string,
    body: unknown,
    type = "application/json",
    apiUrl: string | undefined = system.apiUrl,
  ) =>
    fetch(`${apiUrl}/api/user/${path}`, {
      method: "POST",
      headers: { "content-type": type },
      body: typeof body === "string" ? body : JSON.stringify(body),
    })
  const balance = (headers: Record<string, string>) =>
    fetch(`${system.apiUrl}/api/user/balance`, { headers })
  const cookieOf = (response: Response) =>
    response.headers.getSetCookie()[0]?.split(";", 1)[0] ?? ""

  it.each(["register", "login"])(
    "answers %s with a token, in a header and a cookie",
    async (path) => {
      const credentials = { login: newLogin(), password: "a good password" }
      const registered = await post("register", credentials)
      const response = path === "register" ? registered : await post("login", credentials)
      expect(response.status).toBe(200)
      const authorization = response.headers.get("authorization") ?? ""
      const body = (await response.json()) as Record<string, unknown>
      expect(body).toEqual({
        access_token: authorization.replace("Bearer ", ""),
        token_type: "Bearer",
        expires_in: 86_400,
      })
      const [cookie] = response.headers.getSetCookie()
      expect(cookie).toMatch(/; HttpOnly/)
      expect(cookie).toMatch(/; SameSite=Lax/)
      expect((await balance({ authorization })).status).toBe(200)
      expect((await balance({ cookie: cookieOf(response) })).status).toBe(200)
    },
  )

  it("refuses a login that is taken with 409, also by white space around it", async () => {
    const login = newLogin()
    await post("register", { login, password: "a good password" })
    const again = await post("register", { login: ` ${login} `, password: "another password" })
    await expectProblem(again, 409, "login_taken")
  })

  it("lets one of many simultaneous registrations of a login win", async () => {
    const login = newLogin()
    const attempts = Array.from({ length: 20 }, () =>
      post("register", { login, password: "a good password" }),
    )
    const statuses = (await Promise.all(attempts)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
    expect(statuses.filter((status) => status === 409)).toHaveLength(19)
  })

  it.each([
    ["no JSON", "{"],
    ["nothing", ""],
    ["an array", []],
    ["no password", { login: "someone" }],
    ["no login", { password: "a good password" }],
    ["an object as login", { login: {}, password: "a good password" }],
    ["a number as password", { login: "someone", password: 12_345_678 }],
    ["an empty login", { login: "  ", password: "a good password" }],
    ["a login of 65 characters", { login: "x".repeat(65), password: "a good password" }],
    ["a NUL in the login", { login: "a\u0000b", password: "a good password" }],
    ["a line break in the login", { login: "a\r\nb", password: "a good password" }],
    ["a password of 7 characters", { login: "someone", password: "1234567" }],
    ["a password of 257 characters", { login: "someone", password: "x".repeat(257) }],
    ["__proto__", '{"login":"someone","password":"a good password","__proto__":{}}'],
  ])("refuses to register %s with 400", async (_what, body) => {
    await expectProblem(await post("register", body), 400, "malformed_request")
  })

  it("refuses a body of another content type with 400", async () => {
    const body = "login=someone&password=12345678"
    const response = await post("register", body, "application/x-www-form-urlencoded")
    await expectProblem(response, 400, "malformed_request")
  })

  it.each(["x".repeat(64), "пароль из слов ☂️🙂", "with \u0000 a NUL"])(
    "accepts the password %j and tells it from others",
    async (password) => {
      const login = newLogin()
      expect((await post("register", { login, password })).status).toBe(200)
      expect((await post("login", { login, password })).status).toBe(200)
      const wrong = await post("login", { login, password: `${password}x` })
      await expectProblem(wrong, 401, "wrong_credentials")
    },
  )

  it("takes a password for the same however its characters are composed", async () => {
    const login = newLogin()
    await post("register", { login, password: "caf\u00e9 caf\u00e9" })
    const response = await post("login", { login, password: "cafe\u0301 cafe\u0301" })
    expect(response.status).toBe(200)
  })

  it("answers an unknown login and a wrong password with the same body", async () => {
    const login = newLogin()
    await post("register", { login, password: "a good password" })
    const wrong = await post("login", { login, password: "a wrong password" })
    const unknown = await post("login", { login: newLogin(), password: "a wrong password" })
    const { request_id: _, ...one } = await expectProblem(wrong, 401, "wrong_credentials")
    const { request_id: __, ...other } = await expectProblem(unknown, 401, "wrong_credentials")
    expect(one).toEqual(other)
  })

  it("refuses a password that everybody tries first; who has one from before logs in", async () => {
    const login = newLogin()
    for (const password of ["password", "12345678", "Password1", login, login.toUpperCase()]) {
      const refused = await post("register", { login, password })
      await expectProblem(refused, 400, "guessable_password")
    }
    expect((await post("register", { login, password: "a good password" })).status).toBe(200)
    const data = {
      password: await new Passwords().hash(
        [{ name: "here", kind: "network", factor: 1 }],
        "password",
      ),
    }
    await system.database.client.user.update({ where: { login }, data })
    expect((await post("login", { login, password: "password" })).status).toBe(200)
  })

  it("refuses a malformed login with 400", async () => {
    await expectProblem(await post("login", { login: "x" }), 400, "malformed_request")
  })

  it("ignores fields that are not asked for", async () => {
    const extra = { id: 1, user_id: 1, balance: 1_000, accrual: 1_000 }
    const response = await post("register", {
      login: newLogin(),
      password: "a good password",
      ...extra,
    })
    expect(response.status).toBe(200)
    const authorization = response.headers.get("authorization") ?? ""
    const body = await (await balance({ authorization })).json()
    expect(body).toEqual({ current: 0, withdrawn: 0 })
  })

  it("keeps no password that can be read, and logs none", async () => {
    const api = await system.addApi({ LOG_LEVEL: "trace" })
    const password = "never to be seen"
    const login = newLogin()
    for (const path of ["register", "login"]) {
      const response = await post(path, { login, password }, "application/json", api.details["url"])
      expect(response.status).toBe(200)
    }
    const user = await system.database.client.user.findUniqueOrThrow({ where: { login } })
    expect(user.password).toMatch(/^\$argon2id\$v=19\$m=47104,t=1,p=1\$/)
    // An answer is logged after it was sent.
    const logs = await eventually("the login is logged", async () => {
      const logged = await system.ownLogs()
      return logged.includes('"route":"/api/user/login"') && logged
    })
    expect(logs).not.toContain(password)
  })
})
