/**
 * What nothing may depend on, set for every session of the tests' servers: no connection of ours says
 * otherwise, so a statement that passes an instant as a date or a text is seen here.
 */
export const TEST_SERVER_SETTINGS = {
  timezone: "Asia/Kathmandu",
  datestyle: "German, DMY",
  intervalstyle: "sql_standard",
  extra_float_digits: "0",
  bytea_output: "escape",
}
