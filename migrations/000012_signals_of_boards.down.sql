-- The functions go by their names, as those before them would.
ALTER TABLE term_counts DROP COLUMN source;
