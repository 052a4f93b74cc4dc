-- The roles and their settings stay: other databases of the server may use them.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA rcas FROM rcas_writer, rcas_reader;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM rcas_writer, rcas_reader;
REVOKE ALL ON SCHEMA public, rcas FROM rcas_writer, rcas_reader;
