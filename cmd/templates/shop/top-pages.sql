-- tarn sql -f queries/top-pages.sql
select page, count(*) as views, count(distinct user_id) as users
from silver.clicks
where type = 'view'
group by all
order by views desc
limit 10
