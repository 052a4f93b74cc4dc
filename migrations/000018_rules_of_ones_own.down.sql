-- The functions go by their names, as those before them would.
DROP FUNCTION rcas.found, rcas.last_fired, rcas.rising_words;
DROP TABLE alert_deliveries;
