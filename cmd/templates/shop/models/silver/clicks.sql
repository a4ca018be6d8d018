/* tarn
   kind: append
   tests:
     - not_null: [user_id, clicked_at]
     - expect: { sql: duration_ms >= 0, name: duration_not_negative }
   description: one row a page event; events arrive out of order
*/
select
  event_id,
  user_id,
  session_id,
  type,
  page,
  device.os                         as os,
  duration_ms,
  try_cast(ts as timestamptz)       as clicked_at
from bronze.clicks
