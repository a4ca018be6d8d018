/* tarn
   schedule: 0 7 * * *
   timezone: Europe/Berlin
   description: People by day, channel and device; what came late is in its day at the next seven o'clock.
   tests:
     - unique: [day, channel, device]
*/
select day, channel, device, count(distinct user_id) as users, count(*) as events
from silver.visits
group by all
