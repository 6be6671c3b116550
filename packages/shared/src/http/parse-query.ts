import { parse, type ParsedUrlQuery } from "node:querystring"

/** More than any operation takes: so a query with more is refused for those that are read. */
const PARAMETERS_MAX = 50

/**
 * Reads the parameters of a query: of a repeated one all values, as a list. Those after the first
 * {@link PARAMETERS_MAX} are left out: anybody may send thousands, and reading them costs more than
 * all else that is done before a request is refused.
 */
export function parseQuery(query: string): ParsedUrlQuery {
  // Empty ones would count, and nothing refuses those.
  return parse(query.replace(/^&+|&+(?=&)/g, ""), "&", "=", { maxKeys: PARAMETERS_MAX })
}
