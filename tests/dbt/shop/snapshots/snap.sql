{% snapshot events_snap %}
{{ config(unique_key='id', strategy='timestamp', updated_at='happened', invalidate_hard_deletes=True) }}
select * from {{ ref('stg_events') }}
{% endsnapshot %}
{% snapshot events_check %}
{{ config(unique_key='id', strategy='check', check_cols='all') }}
select * from {{ ref('stg_events') }}
{% endsnapshot %}
{% snapshot events_cols %}
{{ config(unique_key='id', strategy='check', check_cols=['amount']) }}
select * from {{ ref('stg_events') }}
{% endsnapshot %}
