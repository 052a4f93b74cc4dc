DROP TABLE feed_states;
