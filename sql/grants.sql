-- The least privileges for fcom-sidecar: one account that only serves calls, and one that creates the sidecar's own tables and
-- is needed when a release is installed. Adapt the database "wordpress", the prefix "wp_", the two passwords, and
-- 'localhost' (the sidecar's machine as the database sees it). To be executed by an administrator of the server.

-- Part 1, before "fcom-sidecar migrate", which uses this account: FCOM_SIDECAR__DATABASE__URL=mysql://…
CREATE USER IF NOT EXISTS 'fcom_sidecar_migrate'@'localhost' IDENTIFIED BY 'a password';
GRANT CREATE, ALTER, INDEX, SELECT, INSERT, UPDATE ON `wordpress`.* TO 'fcom_sidecar_migrate'@'localhost';

-- Part 2, after it, because a privilege can be granted only on an existing table. This account goes into database.url.
CREATE USER IF NOT EXISTS 'fcom_sidecar'@'localhost' IDENTIFIED BY 'another password';
GRANT SELECT (ID, user_login, user_nicename, user_email, user_url, user_registered, display_name), INSERT (user_login, user_pass, user_nicename, user_email, user_url, user_registered, user_activation_key, display_name), UPDATE (user_activation_key) ON `wordpress`.`wp_users` TO 'fcom_sidecar'@'localhost';
GRANT SELECT (user_pass, user_activation_key) ON `wordpress`.`wp_users` TO 'fcom_sidecar'@'localhost';
GRANT SELECT (umeta_id, user_id, meta_key, meta_value), INSERT (user_id, meta_key, meta_value), UPDATE (meta_value) ON `wordpress`.`wp_usermeta` TO 'fcom_sidecar'@'localhost';
GRANT SELECT (option_id, option_name, option_value), INSERT (option_name, option_value, autoload), UPDATE (option_name, option_value, autoload) ON `wordpress`.`wp_options` TO 'fcom_sidecar'@'localhost';
GRANT SELECT (id, object_type, object_id, meta_key, value, created_at, updated_at), INSERT (object_type, meta_key, value, updated_at, created_at), UPDATE (meta_key, value, updated_at), DELETE ON `wordpress`.`wp_fcom_meta` TO 'fcom_sidecar'@'localhost';
GRANT SELECT (user_id, username), INSERT (user_id, username, display_name, is_verified, short_description, meta, status, created_at, updated_at) ON `wordpress`.`wp_fcom_xprofile` TO 'fcom_sidecar'@'localhost';
GRANT SELECT (id, title, slug, logo, type, privacy, settings) ON `wordpress`.`wp_fcom_spaces` TO 'fcom_sidecar'@'localhost';
GRANT SELECT (id, space_id, user_id, status, role, created_at), INSERT (space_id, role, user_id, updated_at, created_at), UPDATE (status, role, updated_at), DELETE ON `wordpress`.`wp_fcom_space_user` TO 'fcom_sidecar'@'localhost';
GRANT SELECT (id, space_id, type, reactions_count, meta) ON `wordpress`.`wp_fcom_posts` TO 'fcom_sidecar'@'localhost';
GRANT SELECT (action_id, hook, status, args), INSERT (hook, status, scheduled_date_gmt, scheduled_date_local, priority, args, schedule, group_id, attempts, last_attempt_gmt, last_attempt_local, claim_id, extended_args), UPDATE (status) ON `wordpress`.`wp_actionscheduler_actions` TO 'fcom_sidecar'@'localhost';
GRANT SELECT (group_id, slug), INSERT (slug) ON `wordpress`.`wp_actionscheduler_groups` TO 'fcom_sidecar'@'localhost';
GRANT INSERT (action_id, message, log_date_gmt, log_date_local) ON `wordpress`.`wp_actionscheduler_logs` TO 'fcom_sidecar'@'localhost';
GRANT SELECT ON `wordpress`.`wp_fcom_sidecar_schema` TO 'fcom_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE ON `wordpress`.`wp_fcom_sidecar_claims` TO 'fcom_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE ON `wordpress`.`wp_fcom_sidecar_runs` TO 'fcom_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE ON `wordpress`.`wp_fcom_sidecar_old_keys` TO 'fcom_sidecar'@'localhost';
GRANT SELECT, INSERT, DELETE ON `wordpress`.`wp_fcom_sidecar_signed` TO 'fcom_sidecar'@'localhost';
GRANT SELECT, INSERT, DELETE ON `wordpress`.`wp_fcom_sidecar_refused` TO 'fcom_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE ON `wordpress`.`wp_fcom_sidecar_kept` TO 'fcom_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE ON `wordpress`.`wp_fcom_sidecar_shadow` TO 'fcom_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE ON `wordpress`.`wp_fcom_sidecar_guard` TO 'fcom_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE ON `wordpress`.`wp_fcom_sidecar_instances` TO 'fcom_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE ON `wordpress`.`wp_fcom_sidecar_mail` TO 'fcom_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE ON `wordpress`.`wp_fcom_sidecar_events` TO 'fcom_sidecar'@'localhost';
