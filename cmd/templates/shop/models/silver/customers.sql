/* tarn
   kind: merge
   key: customer_id
   latest_by: updated_at
   tests:
     - expect: { sql: email like '%_@_%', name: email_has_at }
   description: one row a customer; the nested address is flat here
*/
select
  customer_id,
  name,
  lower(email)                       as email,
  address.street                     as street,
  address.zip                        as zip,
  address.city                       as city,
  address.country                    as country,
  cast(signed_up_at as timestamptz)  as signed_up_at,
  cast(updated_at as timestamptz)    as updated_at
from bronze.customers
