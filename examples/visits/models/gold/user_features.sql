/* tarn
   target_lag: 1h
   description: What a model learns from; each user on the last day that anything happened, over 7, 30 and 90 days.
   tests:
     - unique: [user_id]
*/
with last as (select max(day) as as_of from silver.visits)
select user_id, as_of,
  count(*) filter (day > as_of - 7) as events_7d,
  count(*) filter (day > as_of - 30) as events_30d,
  count(*) as events_90d,
  count(distinct day) filter (day > as_of - 30) as active_days_30d,
  coalesce(sum(amount) filter (day > as_of - 90), 0) as spent_90d,
  as_of - max(day) as days_since_last
from silver.visits, last
where day > as_of - 90
group by user_id, as_of
