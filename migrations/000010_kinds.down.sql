-- The column goes with its table, the windows by their names, as those before them would.
DROP INDEX sentiments_author;
