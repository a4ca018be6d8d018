/* tarn
   kind: merge
   key: payment_id
   latest_by: [attempt, paid_at]   # retries and doubles come to one row
   tests:
     - accepted: { status: [failed, settled] }
     - expect: amount_cents > 0
   tags: [finance]
*/
select
  payment_id,
  order_id,
  attempt,
  method,
  status,
  amount_cents,
  cast(paid_at as timestamptz) as paid_at
from bronze.payments
