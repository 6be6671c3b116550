/** The waits of a service, whose callers give up before long. */
export const SERVICE_TIMEOUTS = { connectTimeoutMs: 5_000, statementTimeoutMs: 10_000 }
