{{ config(materialized='incremental', unique_key=['id'], incremental_strategy='merge', merge_update_columns=['amount']) }}
select id, kind, amount from {{ ref('stg_events') }}
