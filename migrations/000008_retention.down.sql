SELECT delete_job(job_id) FROM timescaledb_information.jobs WHERE proc_schema = 'rcas' AND proc_name IN ('refresh_archive', 'drop_old', 'note_size');
SELECT remove_retention_policy(t, if_exists => true), add_retention_policy(t, drop_after => INTERVAL '20 years'),
       remove_compression_policy(t, if_exists => true), add_compression_policy(t, compress_after => INTERVAL '30 days')
FROM unnest(ARRAY['prices', 'tweets', 'sentiments', 'term_counts']::regclass[]) AS t;
SELECT remove_compression_policy(w::regclass, if_exists => true)
FROM unnest(ARRAY['prices_1m', 'prices_5m', 'mood_1m', 'mood_5m', 'term_counts_1h']) AS w;
SELECT alter_job(job_id, config => jsonb_set(config, '{start_offset}', '"18 years"'))
FROM timescaledb_information.jobs WHERE proc_name = 'policy_refresh_continuous_aggregate';
DROP PROCEDURE rcas.refresh_archive, rcas.drop_old, rcas.note_size;
DROP FUNCTION rcas.apply_retention, rcas.kept;
DROP TABLE retention, database_sizes;
