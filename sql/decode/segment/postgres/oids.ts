/** The oids of PostgreSQL's own types, the same in every database. Source: pg_type.dat. */

import type { WireType } from "../../../../core/ingest/wire-type.ts";

export const OID = {
  bool: 16,
  bytea: 17,
  char: 18,
  name: 19,
  int8: 20,
  int2: 21,
  int2vector: 22,
  int4: 23,
  text: 25,
  oid: 26,
  tid: 27,
  xid: 28,
  cid: 29,
  oidvector: 30,
  json: 114,
  xml: 142,
  point: 600,
  lseg: 601,
  path: 602,
  box: 603,
  polygon: 604,
  line: 628,
  cidr: 650,
  float4: 700,
  float8: 701,
  circle: 718,
  macaddr8: 774,
  money: 790,
  macaddr: 829,
  inet: 869,
  bpchar: 1042,
  varchar: 1043,
  date: 1082,
  time: 1083,
  timestamp: 1114,
  timestamptz: 1184,
  interval: 1186,
  timetz: 1266,
  bit: 1560,
  varbit: 1562,
  numeric: 1700,
  uuid: 2950,
  txid_snapshot: 2970,
  pg_lsn: 3220,
  tsvector: 3614,
  jsonb: 3802,
  jsonpath: 4072,
  pg_snapshot: 5038,
  xid8: 5069,
} as const;

/** The name of a type without its schema. */
export function typeName({ name }: WireType): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

/** The type that the values of a domain have. */
export function baseOf(wire: WireType): WireType {
  return wire.kind === "domain" && wire.base !== undefined ? baseOf(wire.base) : wire;
}
