-- The newest runs before a given one. Keyset pagination: every page costs the same.
SELECT id FROM {prefix}fcom_sidecar_runs WHERE id < ? ORDER BY id DESC LIMIT ?
