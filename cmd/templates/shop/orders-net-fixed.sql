/* tarn
   kind: merge                 # view | full | append | merge
   key: order_id
   latest_by: updated_at       # the latest version of an order wins
   tests:
     - not_null: customer_id
     - accepted: { status: [new, paid, shipped, refunded, cancelled] }
     - expect: amount >= 0
     - expect: net <= amount
   tags: [finance]
   description: one row an order, as it stands now
*/
-- The amount includes the tax, so the net amount is a division, not a discount.
select
  order_id,
  customer_id,
  lower(trim(status))                          as status,
  amount,
  vat,
  cast(amount / (1 + vat) as decimal(12, 2))   as net,
  currency,
  ordered_at,
  updated_at
from bronze.orders
