/* tarn
   kind: full
   tests:
     - unique: day
*/
select
  cast(clicked_at as date)      as day,
  count(distinct user_id)       as users,
  count(distinct session_id)    as sessions,
  count(*)                      as events
from silver.clicks
group by all
