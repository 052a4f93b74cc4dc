-- One by one: a hypertable cannot be dropped along with other objects.
DROP TABLE cursors;
DROP TABLE pipeline_counts;
DROP TABLE term_counts;
DROP TABLE deletions;
DROP TABLE sentiments;
DROP TABLE prices;
DROP TABLE tweets;
DROP TABLE models;
DROP TABLE assets;
-- The roles stay: other databases of the server may use them.
