/* tarn
   kind: cdc                   # changes of a table in any order: each row as it is now
   keys: customer_id
   sequence_by: _position
   apply_as_delete: _op = 'd'
   except: [_op, _position]
   tests:
     - expect: { sql: email like '%_@_%', name: email_has_at }
   description: one row a customer, as the database has it now
*/
select
  customer_id,
  name,
  lower(email)                       as email,
  street,
  zip,
  city,
  country,
  cast(signed_up_at as timestamptz)  as signed_up_at,
  cast(updated_at as timestamptz)    as updated_at,
  _op,
  _position
from bronze.customers
