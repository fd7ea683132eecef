-- Gives the recipient the reset key of an attempt and notes its hash, if the attempt's lease still holds: whoever has taken over the mail has sent
-- another key, or will.
UPDATE {prefix}fcom_sidecar_mail m
JOIN {users} u ON u.ID = m.user_id
SET u.user_activation_key = ?, m.key_hash = ?
WHERE m.id = ? AND m.lease = ?
