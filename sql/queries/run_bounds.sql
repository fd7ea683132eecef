SELECT MIN(id), MAX(id) FROM {prefix}fcom_sidecar_runs
