{{ config(materialized='incremental', unique_key='day', incremental_strategy='delete+insert') }}
select date_trunc('day', happened) as day, count(*) as n, sum(amount) as total from {{ ref('stg_events') }}
{% if is_incremental() %} where happened >= (select max(day) from {{ this }}) {% endif %}
group by 1
