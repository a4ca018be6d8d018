/* tarn
   kind: full                  # view | full | append | merge
   tests:
     - not_null: city
*/
-- The path names the table: this is silver.temperatures. It reads drops/temperatures/*.
select
  city,
  cast(day as date)            as day,
  cast(celsius as double)      as celsius
from bronze.temperatures
