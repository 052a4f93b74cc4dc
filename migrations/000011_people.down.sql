-- The functions go by their names, as those before them would. rcas.least_firings, which one of them asks, goes with its schema.
DROP FUNCTION rcas.kinds_of;
