import { execFileSync } from "node:child_process"
import { generateKeyPairSync } from "node:crypto"
import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { PROGRAMS } from "@gofermart/local-stack/programs.ts"
import type { tracingSettings } from "@gofermart/shared/runtime/tracing-settings.ts"
import { CERTIFICATE, PRIVATE_KEY } from "./certificate.ts"

type Programs = typeof PROGRAMS
/** What a program judges at its start; a data folder is judged by the file system. */
type SettingName = Exclude<
  { [Name in keyof Programs]: keyof Programs[Name] }[keyof Programs],
  keyof typeof tracingSettings | "GOFERMART_DATA"
>

/** A value that is not usable, and what is said to be wrong with it. */
export type Row = [value: string, wrong: RegExp]

/** Files that a setting may name; their folder is for whoever uses them to remove. */
export const folder = mkdtempSync(join(tmpdir(), "gofermart-settings-"))
export const file = (name: string, content: string | Buffer) => {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}
export const certificate = file("certificate.pem", CERTIFICATE)
export const key = file("key.pem", PRIVATE_KEY)
const garbage = file("garbage.pem", "no certificate at all")
export const otherKey = file(
  "other-key.pem",
  generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }),
)
const missing = join(folder, "missing.pem")
const der = file("der.pem", Buffer.from(CERTIFICATE.replace(/-----.*-----/g, ""), "base64"))
const halfGood = file("half-good.pem", `${CERTIFICATE}${CERTIFICATE.replace("MIIB", "AAAA")}`)
const pipe = join(folder, "pipe")
execFileSync("mkfifo", [pipe])

/** What cannot be the file of a secret. */
export const UNREADABLE: Row[] = [
  [missing, /the file cannot be read: ENOENT/],
  [folder, /the file is not a regular file/],
  [pipe, /the file is not a regular file/],
  [file("empty", " \n"), /the file is empty/],
  [file("latin-1", Buffer.from("s\u00e9cret-s\u00e9cret", "latin1")), /the file is not UTF-8/],
  [file("large", "a".repeat(65_537)), /the file is larger than 64 KiB/],
]

const DURATION: Row[] = [
  ["30", /it has no unit/],
  ["soonishly", /not digits with one of these units/],
  ["1.5s", /not digits with one of these units/],
  ["1e3ms", /not digits with one of these units/],
  ["10 s", /not digits with one of these units/],
  ["-1s", /not digits with one of these units/],
  ["1w", /not digits with one of these units/],
  ["٥s", /not digits with one of these units/],
  ["0ms", /it is zero/],
  ["0000000d", /it is zero/],
  ["25d", /it is longer/],
  ["99999999999999999999999999d", /it is longer/],
]
const COUNT: Row[] = [
  ...["many-many", "NaN", "Infinity", "1e3", "0x10", "1.0", "-0", "-1", "+5", "٥", "1_000"].map(
    (value): Row => [value, /it is not digits alone/],
  ),
  ["999999999999999999999", /it is more/],
]
const FROM_ONE: Row[] = [...COUNT, ["0", /it is less/]]
const SWITCH: Row[] = ["yes", "1", "TRUE", "trueish-ly"].map((value) => [value, /it is none of/])
const ADDRESS: Row[] = [
  "nowhere-at-all",
  "8080",
  ":",
  ":99999999",
  ":65536",
  "localhost:http",
  "localhost:-1",
  "localhost:0x50",
  "a b.test:80",
  "ftp://localhost:80",
  "http://localhost:8080/api",
  "::1:8080",
  "[::1]",
  "[1:::::2]:8080",
  "user:a-password@localhost:80",
  "localhost:٨٠",
].map((value) => [value, /it is not/])

const ENCODED = /must be written otherwise; in a user name or a password, write % as %25/
const PORT = /its port is not a number from 1 to 65535/
const ROLELESS = /it names several hosts, .* add target_session_attrs=read-write/
const WHITE_SPACE = /it has white space or a control character in it; write a space as %20/

const POSTGRESQL: Row[] = [
  ["mysql://user:a-password@db.test/points", /it does not begin so/],
  ["postgresql:/db.test/points", /it does not begin so/],
  ["db.test:5432", /it does not begin so/],
  ["postgresql://user:secret/password@db.test/points", ENCODED],
  ["postgresql://user:12345678/9@db.test/points", ENCODED],
  ["postgresql://user:12/3@db.test/points", ENCODED],
  ["postgresql://user:secret#password@db.test/points", ENCODED],
  ["postgresql://user:secret?password@db.test/points", ENCODED],
  ["postgresql://user:12?3@db.test/points", ENCODED],
  ["postgresql://user:a%password@db.test/points", /it has a % without two hexadecimal digits/],
  ["postgresql://user:a-password%@db.test/points", /it has a % without two hexadecimal digits/],
  ["postgresql://user:a%ffpassword@db.test/points", /not UTF-8, or is a NUL/],
  ["postgresql://user:a-password@db.test/po%00ints", /not UTF-8, or is a NUL/],
  ["postgresql://user:a password@db.test/points", WHITE_SPACE],
  ["postgresql://user:a-pass\nword@db.test/points", WHITE_SPACE],
  ["postgresql://user:a-pass\u0007word@db.test/points", WHITE_SPACE],
  ["postgresql://user:a-password@db.test:port/points", PORT],
  ["postgresql://user:a-password@db.test:0/points", PORT],
  ["postgresql://user:a-password@db.test:65536/points", PORT],
  ["postgresql://user:a-password@db.test:5432x/points", PORT],
  ["postgresql://user:a-password@db.test/points?port=portside", PORT],
  ["postgresql://user:a-password@[1:::2]/points", /its host is not a name or an address/],
  ["postgresql://user:a-password@db1.test,db2.test/points", ROLELESS],
  ["postgresql://user:a-password@db1.test:5432,db2.test:5432/points", ROLELESS],
  ["postgresql://user:a-password@/points?host=db1.test,db2.test", ROLELESS],
  ["postgresql://user:a@password@db1.test,db2.test/points", /an @ that is to be written as %40/],
  ["postgresql://db1.test,/points?target_session_attrs=any", /it names no host/],
  ["postgresql://db1.test:70000,db2.test/points?target_session_attrs=any", PORT],
  [
    "postgresql://db1.test,db2.test/points?target_session_attrs=any&port=1,2,3",
    /not a port for ea/,
  ],
  ...["standby", "read-only", "prefer-standby", "master"].map((role): Row => [
    `postgresql://db1.test,db2.test/points?target_session_attrs=${role}`,
    /its target_session_attrs is none of read-write, primary, any/,
  ]),
  [
    "postgresql://db1.test,db2.test/points?target_session_attrs=any&load_balance_hosts=random",
    /its load_balance_hosts spreads connections .* with target_session_attrs=read-write/,
  ],
  ["postgresql://user:a-password@/points", /it names no host/],
  ["postgresql:///points", /it names no host/],
  ["postgresql://", /it names no host/],
  ["postgresql://user:a-password@d%3Cb.test/points", /its host is not a name or an address/],
  ["postgresql://user:a-password@db.test", /it names no database/],
  ["postgresql://user:a-password@db.test/", /it names no database/],
  ["postgresql://db.test/points?sslmode=verify", /its sslmode is none of disable, allow, prefer/],
  ["postgresql://db.test/points?ssl=perhaps", /its ssl is none of true, 1/],
  ["postgresql://db.test/points?sslnegotiation=x", /its sslnegotiation is none of postgres, /],
  ["postgresql://db.test/points?sslnegotiation=direct&sslmode=disable", /write sslmode=require/],
  ["postgresql://db.test/points?sslnegotiation=direct&sslmode=prefer", /write sslmode=require/],
  [
    "postgresql://db.test/points?sslmode=verify-ca",
    /name your own in sslrootcert, or write sslmode/,
  ],
  ["postgresql://db.test/points?uselibpqcompat=false", /sslmode means here what it means to libpq/],
  [
    "postgresql://db.test/points?sslmode=require&sslrootcert=system",
    /with sslmode=verify-full alone/,
  ],
  [
    `postgresql://db.test/points?sslmode=prefer&sslrootcert=${certificate}`,
    /is not looked at with sslmode=prefer: write sslmode=verify-full/,
  ],
  [`postgresql://db.test/points?sslrootcert=${missing}`, /file of its sslrootcert .* ENOENT/],
  [`postgresql://db.test/points?sslrootcert=${folder}`, /its sslrootcert is not a regular file/],
  [`postgresql://db.test/points?sslrootcert=${garbage}`, /sslrootcert holds no certificate/],
  [`postgresql://db.test/points?sslcert=${missing}&sslkey=${key}`, /of its sslcert .* ENOENT/],
  [`postgresql://db.test/points?sslcert=${certificate}&sslkey=${missing}`, /of its sslkey .* ENO/],
  [`postgresql://db.test/points?sslcert=${certificate}&sslkey=${garbage}`, /sslkey holds no priv/],
  [`postgresql://db.test/points?sslcert=${certificate}&sslkey=${otherKey}`, /not the key of its/],
  [`postgresql://db.test/points?sslrootcert=${der}`, /sslrootcert holds no certificate in PEM/],
  [`postgresql://db.test/points?sslrootcert=${halfGood}`, /sslrootcert holds no certificate/],
  [`postgresql://db.test/points?sslrootcert=${pipe}`, /sslrootcert is not a regular file/],
  ["postgresql://db.test/points?replication=1", /it is for a stream of changes/],
  [`postgresql://db.test/points?sslcert=${certificate}`, /of sslcert and sslkey it has only one/],
  ...["no-such-name", "pg_loyalty", "bullmq", "loyalty_queue", 'a"b', "a b", "x".repeat(58)].map(
    (schema): Row => [
      `postgresql://db.test/points?schema=${encodeURIComponent(schema)}`,
      /its schema is not a name of letters/,
    ],
  ),
  ...["-c search_path=x", "--search-path=x", "-c search\\_path=x", "-c SEARCH_PATH=x"].map(
    (options): Row => [
      `postgresql://db.test/points?options=${encodeURIComponent(options)}`,
      /its options set search_path/,
    ],
  ),
  ...["\\", "-c work_mem=5MB\\", "-c work_mem=5MB\\\\\\"].map((options): Row => [
    `postgresql://db.test/points?options=${encodeURIComponent(options)}`,
    /its options end with a single backslash/,
  ]),
  ["postgresql://db.test/points?schema=one&schema=other", /it has a parameter twice/],
  ...["connection_limit", "hostaddr", "Schema", "max"].map((name): Row => [
    `postgresql://db.test/points?${name}=5`,
    /it has a parameter that is none of host, port, /,
  ]),
  ["postgresql://db.test/points?pooler=statement", /its pooler is none of none, session, /],
  ["postgresql://db.test/points?pgbouncer=6432", /its pgbouncer is neither true nor false/],
  ["postgresql://db.test/points?pooler=none&pgbouncer=true", /it has pgbouncer beside pooler/],
  ...["options=-c%20work_mem%3D5MB", "lock_timeout=1000"].map((parameter): Row => [
    `postgresql://db.test/points?pgbouncer=true&${parameter}`,
    /a pooler refuses its (options|lock_timeout)/,
  ]),
  [
    "postgresql://db.test/points?statement_timeout=soonishly",
    /its statement_timeout is not a numb/,
  ],
  ["postgresql://db.test/points?query_timeout=1000", /its query_timeout is not for others/],
]
const REDIS: Row[] = [
  ["amqp://user:a-password@queue.test", /it does not begin so/],
  ["queue.test:6379", /it does not begin so/],
  ["REDIS://queue.test", /it does not begin so/],
  ["redis://user:secret/password@queue.test", ENCODED],
  ["redis://user:12/3@queue.test", ENCODED],
  ["redis://:secret#password@queue.test", ENCODED],
  ["redis://:secret?password@queue.test", ENCODED],
  ["redis://:12?3@queue.test", ENCODED],
  ["redis://:a%password@queue.test", /it has a % without two hexadecimal digits/],
  ["redis://:a%ffpassword@queue.test", /not UTF-8, or is a NUL/],
  ["redis://:a password@queue.test", WHITE_SPACE],
  ["redis://queue.test:port", PORT],
  ["redis://queue.test:0", PORT],
  ["redis://queue.test:99999", PORT],
  ["redis://queue1.test:6379,queue2.test:6379", /come after redis\+cluster:\/\//],
  ["redis://:a-password@", /it names no host/],
  ["redis:///0", /it names no host/],
  ["redis://[1:::2]", /its host is not a name or an address/],
  ["valkey://queue.test/accruals", /is not a database's number/],
  ["redis+sentinel://s1.test,s2.test", /the name by which they know the primary/],
  ["redis+sentinel://s1.test,/points-primary", /it names no host/],
  ["redis+sentinel://s1.test:70000,s2.test/points-primary", PORT],
  ["redis+sentinel://s1.test/points-primary/accruals", /the name by which they know the primary/],
  [
    "redis+sentinel://s1.test/points-primary?masterName=x",
    /a parameter other than family, ca, prefix/,
  ],
  [
    "redis+sentinel://user:secret@s1.test,secret@s2.test/points-primary",
    /an @ that is to be written/,
  ],
  [
    "redis+sentinel://s1.test/points-primary?sentinel_username=watcher",
    /a user name for the Sentinels, and no password/,
  ],
  ["redis://[fe80::1%25eth0]", /its host is not a name or an address/],
  ["redis+cluster://c1.test:6379,c2.test/0", /after the hosts of a cluster comes no number/],
  ["rediss+cluster://c1.test,/", /it names no host/],
  ["redis+cluster://c1.test:0,c2.test", PORT],
  ["redis+cluster://user:secret@c1.test,secret@c2.test", /an @ that is to be written/],
  ["redis+cluster://c1.test?sentinel_password=x", /a parameter other than family, ca, prefix/],
  ["redis+cluster://c1.test?prefix={shop}", /in its prefix is something else than letters/],
  ["redis+clusters://c1.test", /it does not begin so/],
  ["redis://queue.test?ca=/etc/ssl/ca.pem", /it has a ca and no TLS/],
  ["rediss://queue.test?ca=/there/is/none.pem", /the file of its ca/],
  ["redis://queue.test?family=4&family=6", /it has a parameter twice/],
  ["redis://queue.test?prefix=shop:2", /in its prefix is something else than letters/],
  ["redis://queue.test/accruals", /is not a database's number/],
  ["redis://queue.test/-1", /is not a database's number/],
  ["redis://queue.test/1/2", /is not a database's number/],
  ["redis://queue.test/1e1", /is not a database's number/],
  ["redis://queue.test/0?commandTimeout=soonishly", /a parameter other than family/],
  ["redis://queue.test?family=inet6-only", /its family is not 4 or 6/],
]
const POSTGRESQL_QUEUE = POSTGRESQL.filter(([value]) => value.startsWith("postgresql://"))

const SCORING: Row[] = [
  ["ftp://scoring.test", /it is no http or https address/],
  ["/api/orders", /it is no http or https address/],
  ["http://", /it is no http or https address/],
  ["http:///api/orders", /it is no http or https address/],
  ["HTTP://scoring.test", /it is no http or https address/],
  ["http:/scoring.test:8080", /its scheme is not followed by two slashes/],
  ["https:scoring.test", /its scheme is not followed by two slashes/],
  ["http://scoring.test:99999", /its host or its port is not one/],
  ["http://scoring.test:port", /its host or its port is not one/],
  ["http://[1:::2]", /its host or its port is not one/],
  ["http://scoring.test:0", /its port is not a number from 1/],
  ["http://user:a-password@scoring.test", /it has a user name or a password/],
  ["user:a-password@scoring.test", /it has a user name or a password/],
  ["http://scoring.test/?token=secretsecret", /it has a query or a fragment/],
  ["http://scoring.test/?", /it has a query or a fragment/],
  ["http://scoring.test/#piece-of-it", /it has a query or a fragment/],
  ["http://scoring.test/an api", /it has white space or a backslash/],
  ["http:\\\\scoring.test", /it has white space or a backslash/],
  ["http://scoring.test/%zzzzzzzz", /is not UTF-8/],
]

const LONG_KEY = "a2V5LW9mLTMyLWJ5dGVzLWtleS1vZi0zMi1ieXRlcyE"
const KEYS: Row[] = [
  ["", /it is missing/],
  [LONG_KEY, /number 1 is not one id and one key|key 1 is not base64url/],
  [`:${LONG_KEY}`, /number 1 is not one id and one key/],
  [`k1:${LONG_KEY}:more-more`, /number 1 is not one id and one key/],
  [`k 1:${LONG_KEY}`, /number 1 is not one id and one key/],
  ["k1:c2hvcnQtc2hvcnQ", /key 1 is shorter/],
  [`k1:${LONG_KEY},k2:c2hvcnQtc2hvcnQ`, /key 2 is shorter/],
  [`k1:${LONG_KEY}=`, /key 1 is not base64url/],
  [`k1:${LONG_KEY}ab`, /key 1 is not base64url/],
  [`k1:+/${LONG_KEY}`, /key 1 is not base64url/],
  [`k1:${LONG_KEY},`, /number 2 is not one id and one key/],
  [`k1:${LONG_KEY},k1:${LONG_KEY}`, /two have the same id/],
]

/** What is not usable, by setting. One that has none here has no test, and the test says so. */
export const UNUSABLE: Record<string, Row[]> & Record<SettingName, Row[]> = {
  AUTH_KEYS: KEYS,
  BOARD_READ_ONLY: SWITCH,
  CONFIG_EXIT_DELAY: DURATION,
  DATABASE_CONNECTIONS_MAX: FROM_ONE,
  DATABASE_PASSWORD: [["secret\u0007secret", /it has one/]],
  DATABASE_URL: POSTGRESQL,
  MIGRATION_DATABASE_URL: POSTGRESQL,
  FLEET_WATCH_INTERVAL: [...DURATION, ["31s", /it is longer/]],
  LEDGER_CHECK_INTERVAL: DURATION,
  LIVENESS_TIMEOUT: DURATION,
  LOGIN_FAILURES_MAX: FROM_ONE,
  LOGIN_FAILURES_PER_ADDRESS_MAX: FROM_ONE,
  LOGINS_AT_ONCE_PER_ADDRESS_MAX: FROM_ONE,
  LOG_LEVEL: ["verbosely", "30", "INFO"].map((value) => [value, /it is none of these/]),
  OPERATORS_ADDRESS: ADDRESS,
  OPERATORS_LOGIN: [
    ["operator:second", /it has a colon/],
    ["operator\u0007second", /it has a control character/],
  ],
  OPERATORS_PASSWORD: [
    ["eleven-char", /it is shorter/],
    ["twelve-\u0007chars", /it has a control character/],
  ],
  PASSWORD_LENGTH_MIN: [...FROM_ONE, ["65", /it is more/]],
  QUEUE_PREFIX: ["shop:2", "shop 2", "{shop}", "p".repeat(65)].map((value) => [
    value,
    /something else than letters/,
  ]),
  QUEUE_URL: [...REDIS, ...POSTGRESQL_QUEUE],
  REGISTRATIONS_PER_ADDRESS_MAX: FROM_ONE,
  REQUEUE_INTERVAL: DURATION,
  REQUEUE_LEASE_MAX: DURATION,
  REQUEUE_LEASE_MIN: DURATION,
  RUN_ADDRESS: ADDRESS,
  SCORING_TIMEOUT: DURATION,
  SCORING_UNREGISTERED_GRACE: DURATION,
  SCORING_URL: SCORING,
  SHUTDOWN_GRACE: DURATION,
  SIMULATOR_ADDRESS: ADDRESS,
  SIMULATOR_AUTO_REGISTER: SWITCH,
  SIMULATOR_DELAY_MS: COUNT,
  SIMULATOR_ERROR_RATE: ["half-half", "1.5", "-0.5", "1e-1", ".5", "NaN", "0,5"].map((value) => [
    value,
    /it is not/,
  ]),
  SIMULATOR_PENDING_ANSWERS: COUNT,
  SIMULATOR_REQUESTS_PER_MINUTE: COUNT,
  // Judged when it is opened: see starts.test.ts.
  SIMULATOR_STATE: [],
  SIMULATOR_UNAVAILABLE: SWITCH,
  SIMULATOR_WINDOW_MS: FROM_ONE,
  STREAMS_PER_NETWORK_MAX: FROM_ONE,
  THROTTLE_WINDOW: DURATION,
  TOKEN_LIFETIME: DURATION,
  TRUSTED_PROXIES: [
    ["nginx", /number 1 is neither; a name is not looked up/],
    ["10.0.0.1, proxy.test", /number 2 is neither/],
    ["10.0.0.1;10.0.0.2", /number 1 is neither/],
    ["10.0.0.1:8080", /number 1 is neither/],
    ["10.0.0.0/33", /number 1 is neither/],
    ["10.0.0.0/0", /number 1 is neither/],
    ["10.0.0.0/wide-wide", /number 1 is neither/],
    ["fe80::/129", /number 1 is neither/],
    ["300.1.1.1", /number 1 is neither/],
  ],
  UNFINISHED_ORDERS_MAX: FROM_ONE,
  WITHDRAWAL_ORDERS: ["all", "OWNED", "everything"].map((value) => [value, /it is none of these/]),
  WAITS_PER_NETWORK_MAX: FROM_ONE,
  WORKERS: [...FROM_ONE, ["65", /it is more/]],
  WORKER_CONCURRENCY: FROM_ONE,
}

const ENDPOINT: Row[] = [
  ["collector.test:4318", /it does not begin so/],
  ["grpc://collector.test", /it does not begin so/],
  ["http://user:a-password@:4318", /it is no URL/],
  ["http://collector.test:99999", /it is no URL/],
  ["http://:4318", /it is no URL/],
  ["http://", /it is no URL/],
]
const HEADERS: Row[] = [
  ["Authorization", /pair 1 is not one/],
  ["a=b,=secretsecret", /pair 2 is not one/],
  ["a=%ffsecret", /pair 1 is not one/],
  ["a b=secretsecret", /pair 1 is not one/],
  ["a=secret%0Asecret", /pair 1 is not one/],
  ["a=", /pair 1 is not one/],
  ["cookie=a;secretsecret", /pair 1 is not one/],
  ["a=b,Content-Length=secretsecret", /pair 2 is not one/],
]
const PROTOCOL: Row[] = ["grpc", "http/xml", "protobuf", "http/protobuf,http/json"].map((value) => [
  value,
  /it is none of these/,
])
const TIMEOUT: Row[] = ["0", "-1", "soonishly", "10s", "1e3", "Infinity"].map((value) => [
  value,
  /it is not/,
])
const COMPRESSION: Row[] = ["brotli", "deflate-raw"].map((value) => [value, /it is none of these/])
const PEM: Row[] = [
  [missing, /it cannot be read: ENOENT/],
  [folder, /it is not a regular file/],
  [pipe, /it is not a regular file/],
  [garbage, /it holds no/],
  [der, /it holds no/],
]

/** Of traces, which never keep a service from starting. */
export const UNUSABLE_TRACING: Record<string, Row[]> = {
  OTEL_EXPORTER_OTLP_CERTIFICATE: PEM,
  OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: PEM,
  OTEL_EXPORTER_OTLP_CLIENT_KEY: [...PEM, [certificate, /it holds no private key/]],
  OTEL_EXPORTER_OTLP_COMPRESSION: COMPRESSION,
  OTEL_EXPORTER_OTLP_ENDPOINT: [
    ...ENDPOINT,
    ["http://collector.test/?token=secretsecret", /it has one/],
    ["http://collector.test/#secretsecret", /it has one/],
  ],
  OTEL_EXPORTER_OTLP_HEADERS: HEADERS,
  OTEL_EXPORTER_OTLP_PROTOCOL: PROTOCOL,
  OTEL_EXPORTER_OTLP_TIMEOUT: TIMEOUT,
  OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: PEM,
  OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE: PEM,
  OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: PEM,
  OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: COMPRESSION,
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: ENDPOINT,
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: HEADERS,
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: PROTOCOL,
  OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: TIMEOUT,
  OTEL_RESOURCE_ATTRIBUTES: [
    ["production", /pair 1 is not one/],
    ["a=b=c", /pair 1 is not one/],
    ["a=b,=c", /pair 2 is not one/],
    ["a=%ffvalue", /pair 1 is not one/],
    [`a=${"long".repeat(64)}`, /pair 1 is not one/],
  ],
  // In either case, as OpenTelemetry has it.
  OTEL_SDK_DISABLED: SWITCH.filter(([value]) => !/^(true|false)$/i.test(value)),
  // Any text is a name.
  OTEL_SERVICE_NAME: [],
  OTEL_TRACES_SAMPLER: ["sometimes", "xray-xray"].map((value) => [value, /it is none of these/]),
  OTEL_TRACES_SAMPLER_ARG: ["half-half", "1.5", "-1", "1e-1"].map((value) => [value, /it is not/]),
}
