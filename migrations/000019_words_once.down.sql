-- The functions go by their names, as those before them would; the windows, too.
ALTER TABLE sentiments DROP COLUMN terms;
