import { Prisma } from "./generated/client.ts"

/** The fields of a row; of a row that is of several kinds, those of each. */
type FieldOf<Row> = Row extends unknown ? keyof Row : never

/** A column, or an expression, for each field of a row. A field without one does not compile. */
export type Columns<Row> = Record<FieldOf<Row>, Prisma.Sql>

/** What a statement selects for such a row. The fields come by their names, so it fits a UNION. */
export function select<Row>(columns: Columns<Row>): Prisma.Sql {
  const fields = Object.entries<Prisma.Sql>(columns).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Prisma.join(
    fields.map(([field, column]) => Prisma.sql`${column} AS ${Prisma.raw(`"${field}"`)}`),
  )
}

/** The rows of several selections, whose columns are the same. */
export function unionAll(selections: Prisma.Sql[]): Prisma.Sql {
  return Prisma.join(selections, " UNION ALL ")
}
