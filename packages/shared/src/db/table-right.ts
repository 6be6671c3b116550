/** A table, and what a service does to it. Each service has one list of them, for start and readiness. */
export type TableRight = readonly [table: string, right: "INSERT" | "UPDATE" | "DELETE"]
