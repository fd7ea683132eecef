SELECT MAX(id) FROM {prefix}fcom_sidecar_shadow
