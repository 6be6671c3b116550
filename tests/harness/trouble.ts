import { randomUUID } from "node:crypto"
import type { TestDatabase } from "./database.ts"

/** What becomes of a statement that touches a row: it fails, or it hangs until it is ended. */
export type Trouble = "fails" | "hangs"

/** A table's rows, as they are read, written or changed. */
export type Touch = `${keyof typeof USER_ID_OF}.${"SELECT" | "INSERT" | "UPDATE"}`

const USER_ID_OF = {
  users: "id",
  user_balances: "user_id",
  orders: "user_id",
  accruals: "user_id",
}

/**
 * Makes a role for the services under which single users' rows can be made trouble with: policies
 * that the server asks for each row it touches. Plans are by index, so that it touches no other rows
 * than those that are asked for. The role goes with the tests' server.
 */
export async function layTrouble({ client, url }: TestDatabase) {
  const role = `troubled_${randomUUID().replaceAll("-", "")}`
  const policies = Object.entries(USER_ID_OF).flatMap(([table, userId]) => [
    `ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`,
    ...["SELECT", "INSERT", "UPDATE"].map((command) => {
      const clause = command === "INSERT" ? "WITH CHECK" : "USING"
      const check = `${clause} (touch('${table}.${command}', ${userId}))`
      return `CREATE POLICY touch_${command} ON ${table} FOR ${command} ${check}`
    }),
  ])
  for (const statement of [
    "CREATE TABLE troubles (touch text, user_id bigint, trouble text)",
    `CREATE FUNCTION touch(p_touch text, p_user_id bigint) RETURNS boolean
     LANGUAGE plpgsql VOLATILE AS $$
     DECLARE v_trouble text := (SELECT t.trouble FROM troubles t
                                 WHERE t.touch = p_touch AND t.user_id = p_user_id);
     BEGIN
       IF v_trouble = 'fails' THEN
         RAISE 'could not read a row' USING ERRCODE = 'data_corrupted';
       ELSIF v_trouble = 'hangs' THEN
         PERFORM pg_sleep(60);
       END IF;
       RETURN true;
     END $$`,
    ...policies,
    `CREATE ROLE ${role} LOGIN PASSWORD '${role}'`,
    `GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`,
    `ALTER ROLE ${role} SET enable_seqscan = off`,
    `ALTER ROLE ${role} SET enable_hashjoin = off`,
    `ALTER ROLE ${role} SET enable_mergejoin = off`,
  ]) {
    await client.$executeRawUnsafe(statement)
  }
  const roleUrl = new URL(url)
  roleUrl.username = role
  roleUrl.password = role
  return {
    /** The database as the role has it. */
    url: roleUrl.href,
    async make(touch: Touch, login: string, trouble: Trouble): Promise<void> {
      await client.$executeRaw`
        INSERT INTO troubles SELECT ${touch}, id, ${trouble} FROM users WHERE login = ${login}`
    },
    async end(): Promise<void> {
      await client.$executeRaw`DELETE FROM troubles`
    },
    /** Cancels what the role has under way that contains `text`; resolves with how much that was. */
    async cancel(text: string): Promise<number> {
      const [row] = await client.$queryRaw<[{ count: number }]>`
        SELECT count(pg_cancel_backend(pid))::int AS count FROM pg_stat_activity
         WHERE usename = ${role} AND state = 'active' AND position(${text} in query) > 0`
      return row.count
    },
  }
}
