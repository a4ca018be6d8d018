-- No event is from before the company was there.
select * from silver.visits where happened_at < timestamptz '2026-08-01 00:00:00+00'
