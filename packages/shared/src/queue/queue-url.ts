import { whatIsWrongInDatabaseUrl } from "../db/database-url.ts"
import { textSetting } from "../runtime/env.ts"
import { setting } from "../runtime/setting.ts"
import { isRedisUrl, whatIsWrongInRedisUrl } from "./redis-url.ts"

/** The queue's backend; without it the queue lives in the database. */
export const queueUrl = setting(
  textSetting(
    {
      description:
        "a connection string redis://user:password@host:port/number, rediss://…, redis+sentinel://…, redis+cluster://… or postgresql://…",
    },
    (text) => (isRedisUrl(text) ? whatIsWrongInRedisUrl(text) : whatIsWrongInDatabaseUrl(text)),
  ),
  { purpose: "the queue; the same for all processes", fallback: "the database", secret: true },
)
