DROP TABLE author_key;
