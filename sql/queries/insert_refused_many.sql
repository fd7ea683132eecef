-- One row for requests that were too many to be kept one by one. Whether their keys are valid is not known.
INSERT INTO {prefix}fcom_sidecar_refused (created_at, outcome, status, calls)
VALUES (?, 'not_kept', 503, ?)
