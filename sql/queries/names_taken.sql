-- For each string: 1 if it is another user's login, + 2 if it is a nicename, + 4 if it is another user's profile username,
-- + 8 if it is an e-mail address. The columns' collations decide about equality.
-- Binds per string: string, own id, string, string, own id, string.
SELECT {each: CAST(
    EXISTS (SELECT 1 FROM {users} WHERE user_login = ? AND ID <> ?)
    + 2 * EXISTS (SELECT 1 FROM {users} WHERE user_nicename = ?)
    + 4 * EXISTS (SELECT 1 FROM {prefix}fcom_xprofile WHERE username = ? AND user_id <> ?)
    + 8 * EXISTS (SELECT 1 FROM {users} WHERE user_email = ?) AS SIGNED)}
