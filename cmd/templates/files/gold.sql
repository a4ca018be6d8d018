select city, count(*) as days, round(avg(celsius), 1) as mean_celsius
from silver.temperatures
group by all
