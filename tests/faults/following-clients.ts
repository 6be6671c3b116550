import { get } from "node:http"

/**
 * Follows an account as many clients and writes a line for each stream that has begun. It ends when
 * nobody listens to it any more.
 *
 * Arguments: the stream's URL, the Authorization header, how many clients.
 */
const [url = "", authorization = "", count = "0"] = process.argv.slice(2)

for (let i = 0; i < Number(count); i++) {
  const request = get(url, { headers: { authorization } }, (response) => {
    response.once("data", () => process.stdout.write(`${response.statusCode}\n`))
    response.on("error", () => {})
  })
  // What becomes of this side does not matter, but the process stays.
  request.on("error", () => {})
}
process.stdin.resume().on("end", () => process.exit())
