/* tarn
   kind: full
   tests:
     - unique: day
     - expect: orders > 0
   tags: [finance]
   description: what was sold on each day, cancelled and refunded orders aside
*/
select
  cast(ordered_at as date)      as day,
  count(*)                      as orders,
  count(distinct customer_id)   as customers,
  sum(amount)                   as gross,
  sum(net)                      as net
from silver.orders
where status not in ('cancelled', 'refunded')
group by all
