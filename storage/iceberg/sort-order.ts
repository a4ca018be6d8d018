/** Sort orders as metadata JSON records them. */

import type { JsonObject } from "../../core/base/json.ts";
import type { SortOrder } from "../../core/table/types.ts";
import { numberField, objectsField, stringField } from "./metadata-json.ts";

/** Order id 0 is reserved for it. Iceberg spec, "Sort Orders". */
export const NO_SORT_ORDER: SortOrder = { orderId: 0, fields: [] };

/** Reads `sort-orders`; a v1 file without them is unsorted. */
export function parseSortOrders(json: JsonObject): readonly SortOrder[] {
  const orders = objectsField(json, "sort-orders").map((order) => ({
    orderId: numberField(order, "order-id"),
    fields: objectsField(order, "fields").map((field) => ({
      transform: stringField(field, "transform"),
      sourceId: numberField(field, "source-id", 0),
      direction: field.direction === "desc" ? ("desc" as const) : ("asc" as const),
      nullOrder:
        field["null-order"] === "nulls-last" ? ("nulls-last" as const) : ("nulls-first" as const),
    })),
  }));
  return orders.length > 0 ? orders : [NO_SORT_ORDER];
}

/** A sort order as metadata JSON, in Java's key order. */
export function sortOrderToJson(order: SortOrder): JsonObject {
  return {
    "order-id": order.orderId,
    fields: order.fields.map((field) => ({
      transform: field.transform,
      "source-id": field.sourceId,
      direction: field.direction,
      "null-order": field.nullOrder,
    })),
  };
}
