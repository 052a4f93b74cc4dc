-- Who may do what. Both roles cannot log in until an operator lets them (ALTER ROLE rcas_reader LOGIN PASSWORD …), or grants them
-- to a role that can; a role that is only a member takes the rights but not the settings. They belong to the server, not to this
-- database.

GRANT USAGE ON SCHEMA public, rcas TO rcas_writer, rcas_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO rcas_writer, rcas_reader;
GRANT INSERT, UPDATE, DELETE ON assets, models, tweets, deletions, prices, sentiments, term_counts, pipeline_counts, cursors,
    alerts TO rcas_writer;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA rcas TO rcas_writer, rcas_reader;
REVOKE EXECUTE ON FUNCTION record_alerts FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_alerts TO rcas_writer;

-- A reader's mistake must not take the machine down. And a question sees one moment: by default, a window that is refreshed while a
-- function reads it could lack its newest rows, for the function would learn where the refreshed part ends later than what is in
-- it. Another database of the server may be setting the same at this moment.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rcas_reader' AND 'default_transaction_isolation=repeatable read' = ANY (rolconfig)) THEN
        ALTER ROLE rcas_reader SET statement_timeout = '30s';
        ALTER ROLE rcas_reader SET default_transaction_isolation = 'repeatable read';
        ALTER ROLE rcas_reader SET default_transaction_read_only = on;
        ALTER ROLE rcas_reader SET idle_in_transaction_session_timeout = '60s';
    END IF;
EXCEPTION WHEN internal_error OR unique_violation THEN
    RAISE NOTICE 'the settings of rcas_reader are being set from another database: %', SQLERRM;
END $$;
