import { PrismaPg } from "@prisma/adapter-pg"
import {
  ColumnTypeEnum,
  type SqlQuery,
  type SqlQueryable,
  type SqlResultSet,
} from "@prisma/driver-adapter-utils"

const DATE_COLUMNS: ReadonlySet<number> = new Set([
  ColumnTypeEnum.Date,
  ColumnTypeEnum.Time,
  ColumnTypeEnum.DateTime,
  ColumnTypeEnum.DateArray,
  ColumnTypeEnum.TimeArray,
  ColumnTypeEnum.DateTimeArray,
])

/**
 * Prisma's adapter without dates. It takes the time that the session's zone shows for UTC's, reads no
 * date style but ISO, and sends a `Date` without a zone; so a statement that passes one fails here,
 * whatever the zone is. The types refuse most of them before: `Database`, and the `Unsupported`
 * columns of `schema.prisma`.
 */
export class DatelessPg extends PrismaPg {
  override async connect() {
    const adapter = await super.connect()
    const startTransaction = adapter.startTransaction.bind(adapter)
    adapter.startTransaction = async (level) => refuseDates(await startTransaction(level))
    return refuseDates(adapter)
  }
}

function refuseDates<Queryable extends SqlQueryable>(queryable: Queryable): Queryable {
  const queryRaw = queryable.queryRaw.bind(queryable)
  const executeRaw = queryable.executeRaw.bind(queryable)
  queryable.queryRaw = async (query) => withoutDates(await queryRaw(withoutDateArguments(query)))
  queryable.executeRaw = async (query) => executeRaw(withoutDateArguments(query))
  return queryable
}

function withoutDateArguments(query: SqlQuery): SqlQuery {
  if (query.argTypes.some(({ scalarType }) => scalarType === "datetime")) {
    throw new Error("an instant goes to the database as a number, and not as a Date")
  }
  return query
}

function withoutDates(result: SqlResultSet): SqlResultSet {
  const position = result.columnTypes.findIndex((type) => DATE_COLUMNS.has(type))
  if (position !== -1) {
    const column = result.columnNames[position]
    throw new Error(`"${column}" comes from the database as a date: it must be a number`)
  }
  return result
}
