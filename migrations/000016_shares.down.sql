-- The functions go by their names, as those before them would.
ALTER TABLE alerts DROP COLUMN adverts, DROP COLUMN bots, DROP COLUMN news, DROP COLUMN repeated;
