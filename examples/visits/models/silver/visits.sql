/* tarn
   kind: merge
   key: event_id
   latest_by: received_at
   description: Each event once, however often it was sent, on the day that it was where the company is.
   tests:
     - not_null: [event_id, user_id, happened_at]
       on_fail: quarantine
     - accepted: { channel: [web, app, partner] }
*/
select event_id, user_id, agent, channel, device, event, amount, happened_at, received_at,
  (happened_at at time zone 'Europe/Berlin')::date as day
from bronze.visits
