select id, happened::timestamp as happened, kind, amount from {{ ref('raw_events') }}
