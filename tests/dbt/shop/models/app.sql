{{ config(materialized='incremental') }}
select * from {{ ref('stg_events') }}
{% if is_incremental() %}
where happened > (select max(happened) from {{ this }})
{% endif %}
