-- The newest runs before one; keyset pagination, so that a page costs the same however far back it is.
SELECT id FROM {prefix}fcom_sidecar_runs WHERE id < ? ORDER BY id DESC LIMIT ?
