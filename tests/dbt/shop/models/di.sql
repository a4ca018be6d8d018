{{ config(materialized='incremental', unique_key='id') }}
select *, 'v' as tag from {{ ref('stg_events') }}
{% if is_incremental() %}
where happened >= (select max(happened) from {{ this }})
{% endif %}
