/* tarn
   kind: cdc
   scd: 2                      # every version, from __START_AT to __END_AT
   keys: customer_id
   sequence_by: changed_at
   apply_as_delete: _op = 'd'
   columns: [customer_id, name, email, city, country]
   description: where each customer lived, and when
*/
select
  customer_id,
  name,
  lower(email)                       as email,
  city,
  country,
  coalesce(_committed_at, cast(updated_at as timestamptz))  as changed_at,
  _op
from bronze.customers
