-- The functions go by their names, as those before them would.
DROP FUNCTION rcas.kinds_of, rcas.least_firings;
