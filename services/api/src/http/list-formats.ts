import { stringify } from "csv-stringify/sync"

/** How a list is written: begin, items in one piece or in several with separators, end. */
export interface Format {
  name: string
  type: string
  begin: string
  separator: string
  end: string
  write: (items: Record<string, unknown>[]) => string
}

export const JSON_FORMAT: Format = {
  name: "json",
  type: "application/json; charset=utf-8",
  begin: "[",
  separator: ",",
  end: "]",
  write: (items) => items.map((item) => JSON.stringify(item)).join(","),
}

/** RFC 4180, with the columns' names in the first line. Text is quoted, numbers are not. */
export function csvFormat(columns: string[]): Format {
  const write = (rows: unknown[]) =>
    stringify(rows as Record<string, unknown>[], {
      columns,
      quoted_string: true,
      record_delimiter: "windows",
    })
  return {
    name: "csv",
    type: "text/csv; charset=utf-8; header=present",
    begin: write([columns]),
    separator: "",
    end: "",
    write,
  }
}
