-- Which of these idempotency keys calls have used, of whichever webhook. From the index alone.
SELECT idempotency_key FROM {prefix}fcom_sidecar_runs WHERE idempotency_key IN ({each: ?})
