-- Those beyond the number that is kept at most.
DELETE FROM {prefix}fcom_sidecar_shadow WHERE id <= ? ORDER BY id LIMIT 1000
