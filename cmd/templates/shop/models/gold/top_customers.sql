/* tarn
   kind: view                  # computed when it is read
*/
select
  c.customer_id,
  c.name,
  c.country,
  count(*)        as orders,
  sum(o.net)      as net
from silver.orders o
join silver.customers c using (customer_id)
where o.status not in ('cancelled', 'refunded')
group by all
