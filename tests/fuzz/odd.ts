/** Every form of a number that some reader takes for one, and what looks like it. */
export const ODD_NUMBERS = [
  ["Infinity", "-Infinity", "NaN", "1e309", "-1e309", "1e308", "1e-400", "1e2", "0x10", "0b1"],
  ["0o7", "5.0", "+5", "-5", "-0", "0", "00", "005", " 5", "5 ", "5,0", "1_0", "５", "٥", "5n"],
  ["1001", "2147483648", "9007199254740993", "9223372036854775808", "9".repeat(400), "5\n"],
  ["5\u0000", "", "null", "true", "[]", "{}"],
].flat()

/** What text may be that nobody thinks of. */
export const ODD_TEXTS = [
  ["", " ", "\t", "\u0000", "\u0001", "\u007f", "\r\n", "\r\nX-Injected: 1", "é", "e\u0301", "😀"],
  ["\ud800", "\u202eabc", "a\u200bb", "\ufeff", "\uffff", "../../etc/passwd", "..", "%", "%00"],
  ["'; DROP TABLE users; --", "' OR '1'='1", "\\", "$1", "${7*7}", "{{7*7}}", "<script>", "`id`"],
  ["__proto__", "constructor", "toString", "null", "undefined", "*", "a,b", 'a"b', "a;b", "a=b"],
  ["a".repeat(255), "a".repeat(256), "a".repeat(1_025), "a".repeat(5_000), "é".repeat(600)],
].flat()

/** Values in JSON, as they are written. */
export const ODD_JSON = [
  ["null", "true", "false", "[]", "[1]", "{}", '{"a":1}', '{"__proto__":{"a":1}}', '"10"', '""'],
  ["0", "-0", "-1", "0.001", "1.00", "1.100", "5e0", "100e-4", "1e309", "-1e309", "1e-400", "1E5"],
  ["90071992547409.91", "90071992547409.92", "9007199254740993", "729.98000000000002"],
  ["0.30000000000000004", "1e18", "1e308", "NaN", "Infinity", "01", "+1", ".5", "5.", "0x10"],
  ['"\\ud800"', '"\\u0000"', '"\\u202e"', '" "', `"${"a".repeat(2_000)}"`, '"\t"', '"\\x"', "'a'"],
  [`${"[".repeat(5_000)}${"]".repeat(5_000)}`, `${'{"a":'.repeat(1_000)}1${"}".repeat(1_000)}`],
].flat()

export const MEDIA_TYPES = [
  ["application/json", "text/plain", "application/json; charset=utf-8", "text/plain;charset=utf-8"],
  ["application/json; charset=utf-16", "application/json; charset=latin1", "text/plain; charset=x"],
  ["application/problem+json", "application/vnd.api+json", "APPLICATION/JSON", "text/json"],
  ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "multipart/form-data"],
  [
    "application/octet-stream",
    "text/html",
    "application/xml",
    "application/json, text/plain",
    "*/*",
  ],
  ["", "json", "application/", "/json", "application/json;", "application/json; charset", "a/b/c"],
  ['application/json; charset="utf-8"', "application/json;charset=utf-8;charset=utf-16"],
].flat()

/** Not PRI alone: Node's parser waits for the rest of HTTP/2's beginning, as long as for a next request. */
export const METHODS = [
  ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"],
  ["QUERY", "M-SEARCH", "BREW", "get", "Post", "", "GET\t", "G\u0000T"],
].flat()

/** Header lines that are wrong in themselves, or nearly. */
export const ODD_LINES = [
  ["no colon", ": no name", "X y: z", "X-A : b", "X-A: \u0000", "X-A: b\rc", "X-A: b\nX-B: c"],
  [
    "\u0001: b",
    "X-Ä: a",
    " X-Folded: first",
    "X-A:",
    "X-A:b",
    "X-A: \t b \t ",
    "X-A: é",
    "X-A: a\u007f",
  ],
  ["X-A: b\r\n c", "X-A: b\r\n\tc", "X-A: b\r\n \r\n c", "Cookie: a=b\r\n ; c=d"],
  ["Content-Length: 5", "Content-Length: -5", "Content-Length: +5", "Content-Length: 5, 5"],
  ["Content-Length: 0x5", "Content-Length: 99999999999999999999", "Content-Length:", "Host:"],
  ["Transfer-Encoding: chunked", "Transfer-Encoding: identity", "Transfer-Encoding: gzip, chunked"],
  ["Transfer-Encoding: chunked, chunked", "Transfer-Encoding: xchunked", "Transfer-Encoding:"],
].flat()

/** Headers that a server or a library may read, with values that make it do so. */
export const HEADERS: Record<string, string[]> = {
  accept: ["text/csv", "application/json", "text/csv;q=0.1, */*", "*/*;q=0", "text/csv;q=x", "a"],
  "accept-encoding": [
    ["gzip", "br", "deflate", "identity", "gzip;q=0, *", "*;q=0", "identity;q=0", "GZIP", "x-gzip"],
    ["zstd", "gzip, br;q=0.1", "gzip;q=1.0001", "gzip;q=", "", ",,,", "br;q=0"],
  ].flat(),
  "accept-language": ["de", "*"],
  "cache-control": ["no-cache", "only-if-cached", "max-age=0"],
  connection: ["close", "keep-alive", "upgrade", "keep-alive, x-a", "close, close", "x", ""],
  "content-encoding": ["identity", "", "rot13"],
  "content-location": ["/x"],
  cookie: ["", "gofermart", "gofermart=", "=x", "a=b; c", "__Host-gofermart=x", ";;;", "a=%zz"],
  expect: ["100-continue", "100-Continue", "foo", "", "100-continue, foo"],
  forwarded: ["for=192.0.2.1;proto=https", "for=_x"],
  host: ["", "example.org", "127.0.0.1:1", "a b", "[::1]", "x, x", "😀", "evil.example:99999"],
  "if-match": ["*", '"x"'],
  "if-modified-since": ["Sun, 22 Nov 2026 10:00:00 GMT", "Sunday", "0"],
  "if-none-match": ["*", '"x"', 'W/"x"', "x", '"', '"a", "b"', "", "W/"],
  "if-range": ['"x"'],
  "keep-alive": ["timeout=1", "max=0"],
  "max-forwards": ["0"],
  origin: ["null", "http://evil.example", "http://127.0.0.1", "x"],
  pragma: ["no-cache"],
  range: ["bytes=0-1", "bytes=9-1", "bytes=0-0,2-2", "x"],
  "sec-fetch-site": ["same-origin", "cross-site", "none", "x"],
  te: ["trailers", "gzip"],
  traceparent: ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-0-0-0", "x"],
  tracestate: ["a=b", "="],
  trailer: ["Expires", "Content-Length"],
  upgrade: ["websocket", "h2c"],
  via: ["1.1 x"],
  "x-forwarded-for": [
    "192.0.2.1",
    "192.0.2.1:4000",
    "[2001:db8::1]:4000",
    "x",
    "",
    "::ffff:1.2.3.4",
  ],
  "x-forwarded-host": ["evil.example"],
  "x-forwarded-proto": ["https", "http, https"],
  "x-http-method-override": ["DELETE"],
  "x-original-url": ["/healthz"],
  "x-request-id": ["shop-1.2_3", '"quoted"', "x".repeat(65), "${jndi:ldap://x}"],
}

/** What is put behind a path that is right. */
export const PATH_ENDS = [
  ["/", "//", "/.", "/..", "/%2e%2e", ";v=1", "%00", "%zz", "%", "%ff", "%c0%ae", "/x", "?", "#x"],
  ["é", "\\", "%2f", ".json", "%20", "%0d%0aX:%20y", " ", "\t", "*", "/*", "/:number", "😀"],
].flat()

export const ODD_QUERIES = [
  ["limit", "limit=", "limit=%zz", "limit[]=1", "limit[a]=1", "limit%00=1", "limit=5;cursor=x"],
  ["", "=", "&&", "=x", "?", "%", "%00", "_=1", "_", "status=INVALID", "__proto__=1", "a=😀", "#"],
  [
    "constructor=1",
    "toString=1",
    "LIMIT=5",
    "limit =5",
    "everywhere",
    "user_id=1",
    "a".repeat(3_000),
  ],
].flat()
