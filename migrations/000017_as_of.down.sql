-- The functions go by their names, as those before them would.
DROP TRIGGER models_note_activation ON models;
DROP FUNCTION rcas.note_activation, rcas.reigns, rcas.check_known, rcas.check_kept, rcas.cut, rcas.final_before, rcas.is_final, rcas.moods;
DROP TABLE model_activations;
ALTER TABLE sentiments DROP COLUMN repeat_at, DROP COLUMN kind_at;
