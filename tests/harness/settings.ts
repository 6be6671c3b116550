/** Any 32 bytes in base64url. */
export const TEST_KEY = "dGhpcy1pcy1hLXRlc3Qta2V5LW9mLTMyLWJ5dGVzISE"

/** What every process under test is told: any free port, and shorter than a test would sit through. */
export const TEST_SETTINGS = {
  AUTH_KEYS: `test:${TEST_KEY}`,
  REQUEUE_INTERVAL: "500ms",
  REQUEUE_LEASE_MIN: "2s",
  REQUEUE_LEASE_MAX: "5s",
  SCORING_TIMEOUT: "5s",
  RUN_ADDRESS: "127.0.0.1:0",
  OPERATORS_ADDRESS: "127.0.0.1:0",
}

/**
 * For a test that counts polls: no order is requeued while it runs. One that is being settled just
 * then would be polled once more, for nothing.
 */
export const WITHOUT_REQUEUE = { REQUEUE_LEASE_MIN: "10m", REQUEUE_LEASE_MAX: "10m" }
